"""The study: one SQLite file that keeps every ask, answer, judgement, round and verdict.

One process writes (a file lock says so), any number may read meanwhile (WAL). Each answer is
committed as it arrives: with WAL and ``synchronous=NORMAL`` a commit is a plain write without
fsync, so it outlives ``kill -9`` at about 50 microseconds apiece; only a power cut can take the
last ones, and never the file.
"""

from spillover.store.database import DATABASE
from spillover.store.pace import put_pace, read_pace
from spillover.store.study import Study

__all__ = ["DATABASE", "Study", "put_pace", "read_pace"]
