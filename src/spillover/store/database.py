"""The SQLite file under a study: lock, connection, migrations, transactions, errors in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spillover.errors import MissingFileError, StoreError

DATABASE = "study.db"

# Append only: a released migration is never edited. `user_version` counts those applied.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE targets (id TEXT PRIMARY KEY, name TEXT NOT NULL, spec TEXT NOT NULL,"
        " created REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE asks (id TEXT PRIMARY KEY, question TEXT NOT NULL, body TEXT NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE answers (target TEXT NOT NULL REFERENCES targets(id),"
        " ask TEXT NOT NULL REFERENCES asks(id), text TEXT NOT NULL, tokens INTEGER NOT NULL,"
        " finish TEXT, logprobs BLOB, scores BLOB, missing TEXT, PRIMARY KEY (target, ask))"
        " WITHOUT ROWID",
        "CREATE TABLE judgements (target TEXT NOT NULL, ask TEXT NOT NULL, judge TEXT NOT NULL,"
        " label TEXT, value REAL, mass REAL, missing TEXT, note TEXT NOT NULL,"
        " PRIMARY KEY (target, ask, judge)) WITHOUT ROWID",
        "CREATE TABLE rounds (plan TEXT NOT NULL, number INTEGER NOT NULL,"
        " position INTEGER NOT NULL, ask TEXT NOT NULL REFERENCES asks(id),"
        " PRIMARY KEY (plan, number, position)) WITHOUT ROWID",
        "CREATE TABLE verdicts (id INTEGER PRIMARY KEY, audit INTEGER NOT NULL,"
        " target TEXT NOT NULL, axis TEXT NOT NULL, verdict TEXT, thresholds TEXT NOT NULL,"
        " body TEXT NOT NULL)",
        "CREATE TABLE audits (id INTEGER PRIMARY KEY, created REAL NOT NULL, body TEXT NOT NULL)",
    ),
    ("ALTER TABLE answers ADD COLUMN tops TEXT",),
    ("ALTER TABLE answers ADD COLUMN reasoning TEXT",),
)


class Database:
    """One open ``study.db``; holds the writer's lock unless ``read_only``."""

    def __init__(self, folder: Path, *, read_only: bool, max_pages: int | None) -> None:
        self.folder = folder
        self.read_only = read_only
        self._lock: FileLock | None = None
        self._db: sqlite3.Connection | None = None
        if read_only and not (folder / DATABASE).is_file():
            raise MissingFileError(f"no study at {folder}: it has no {DATABASE}")
        try:
            if not read_only:
                self._lock = _lock(folder)
            with self._sqlite():
                self._db = _connect(folder / DATABASE, read_only=read_only)
                self._prepare(max_pages)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and give the lock back; safe to call twice."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._sqlite():
            return self._open.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Everything inside is committed at the end, or nothing is."""
        if self.read_only:
            raise StoreError(f"the study {self.folder} was opened for reading only")
        with self._sqlite():
            db = self._open
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk may have rolled back already
                    db.execute("ROLLBACK")
                raise

    @property
    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"the study {self.folder} is closed")
        return self._db

    @contextmanager
    def _sqlite(self) -> Generator[None]:
        """Turn what SQLite says into one line that names the study and the fix."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.folder / DATABASE}: {_explain(error)}") from None

    def _prepare(self, max_pages: int | None) -> None:
        db, latest = self._open, len(MIGRATIONS)
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > latest:
            raise StoreError(
                f"{self.folder} was written by a newer spillover (format {version}, this one knows"
                f" up to {latest}): update spillover, or use another study folder"
            )
        if max_pages is not None:
            db.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        if self.read_only and version < latest:
            raise StoreError(
                f"{self.folder} has the older format {version}: open it once for writing"
                " (run an audit in it) to bring it up to date"
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            with self.transaction():
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")


def _lock(path: Path) -> FileLock:
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / "study.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError(
            f"another process is writing to the study {path}: wait for it to end,"
            " or use another study folder"
        ) from None
    except OSError as error:
        raise StoreError(f"can't write to the study folder {path}: {error.strerror}") from None
    return lock


def _connect(file: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
    )
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _explain(error: sqlite3.Error) -> str:
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return f"{text}. What was committed is safe: free some space and run the same command again"
    if "not a database" in text or "malformed" in text:
        return f"not a study's database ({text}): use another study folder"
    if "locked" in text:
        return f"locked by another process ({text}): wait for it, or use another study folder"
    return text
