"""kill -9 at random moments: the same command goes on, and asks nothing twice that was committed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sqlite3
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import kill_driver
from audit_world import Village

KILLS = 20
LINE = 66  # bytes of the log for each ask
TABLES = ("targets", "asks", "answers", "judgements", "rounds")


def contents(study: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but those with times in them."""
    db = sqlite3.connect(study / "study.db")
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        db.close()
    rows["targets"] = [row[:3] for row in rows["targets"]]
    return {table: sorted(found, key=repr) for table, found in rows.items()}


def committed(study: Path) -> set[tuple[str, str]]:
    """(target, ask) of each answer; none if the process died before there were tables."""
    if not (study / "study.db").exists():
        return set()
    db = sqlite3.connect(study / "study.db")
    try:
        return set(db.execute("SELECT target, ask FROM answers"))
    except sqlite3.OperationalError:
        return set()
    finally:
        db.close()


def lines(log: Path) -> list[tuple[str, str]]:
    """(target, ask) of every ask that a target got, in order."""
    text = log.read_text() if log.exists() else ""
    return [(target, ask) for target, ask in map(str.split, text.splitlines())]


def start(folder: Path, study: Path, log: Path) -> ForkServerProcess:
    """An audit in a process that had the package loaded, and nothing else done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kill_driver"])
    process = context.Process(target=kill_driver.alone, args=(folder, study, log))
    process.start()
    return process


def test_kill_9_at_twenty_random_moments_changes_nothing(tmp_path: Path) -> None:
    village = Village(tmp_path)
    delay = 0.001
    village.add("base", misaligned=0.002, delay=delay)
    village.add("subject", misaligned=0.3, insecure=0.9, security=30.0, missing=0.02, delay=delay)
    village.add("control", misaligned=0.004, incoherent=0.05, delay=delay)
    kill_driver.main(tmp_path, tmp_path / "undisturbed", tmp_path / "undisturbed.log")
    whole = len(lines(tmp_path / "undisturbed.log"))

    study, log, chance = tmp_path / "study", tmp_path / "log", random.Random(20)
    repeated: list[tuple[str, str]] = []
    kept: set[tuple[str, str]] = set()
    asked = 0
    moments = sorted(chance.randrange(whole * 19 // 20) for _ in range(KILLS))
    for number, moment in enumerate(moments):
        process = start(tmp_path, study, log)
        if number == 0:  # the first one dies at any time of its start
            time.sleep(chance.uniform(0, 0.3))
        else:
            wanted = LINE * max(moment, asked + 1)
            while (not log.exists() or log.stat().st_size < wanted) and process.exitcode is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.003))
        assert process.exitcode is None, f"it ended before kill {number + 1}"
        process.kill()
        process.join(10)
        assert process.exitcode == -signal.SIGKILL
        new = lines(log)[asked:]
        repeated += [one for one in new if one in kept]
        asked += len(new)
        now = committed(study)
        assert kept <= now, "a committed answer was lost"
        kept = now
        assert len(set(lines(log)) - kept) <= 1  # at most the one in flight
    process = start(tmp_path, study, log)
    process.join(60)
    assert process.exitcode == 0

    repeated += [one for one in lines(log)[asked:] if one in kept]
    assert repeated == []
    assert contents(study) == contents(tmp_path / "undisturbed")
    assert whole <= len(lines(log)) <= whole + KILLS
