"""Every error that a user can cause, in one hierarchy.

Each class is also the standard-library error that a caller would expect, so
that ``except ValueError`` works for code that does not know spillover. The
message names the bad value, what is allowed, and the fix. The command line
prints it as one line.
"""

from __future__ import annotations


class SpilloverError(Exception):
    """Base of all errors that the command line shows as one line."""


class ConfigError(SpilloverError, ValueError):
    """A setting, an option or an asset file is not usable as given."""


class DataError(SpilloverError, ValueError):
    """A data file is broken; the message names file and line."""


class UnknownNameError(SpilloverError, LookupError):
    """An id does not exist; the message lists the nearest or all known ones."""


class MissingFileError(SpilloverError, FileNotFoundError):
    """A path does not exist or lacks what is needed there."""


class UnsafeFileError(SpilloverError, ValueError):
    """A file could run code when loaded (pickle weights); it is refused."""


class StoreError(SpilloverError, OSError):
    """The study cannot be written or read (disk full, locked, wrong version)."""


class ModelError(SpilloverError, RuntimeError):
    """A model cannot be opened or does not answer."""


class BudgetError(SpilloverError, RuntimeError):
    """The calls or dollars that a run may use are spent; what was answered before is kept."""


class MissingExtraError(SpilloverError, ImportError):
    """An optional dependency is not installed; the message says which extra."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error that a library raised, to be told in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
