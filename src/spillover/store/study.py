"""What a study keeps, as records: every ask, answer, judgement, round and verdict."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from pydantic import ValidationError

from spillover.errors import StoreError
from spillover.records import (
    Answer,
    Ask,
    AuditResult,
    Judgement,
    Record,
    TargetSpec,
    TokenTop,
    canonical_json,
    first_fault,
)
from spillover.store.database import DATABASE, Database

RecordT = TypeVar("RecordT", bound=Record)


class Study:
    """A directory with ``study.db`` and ``finetunes/``; every audit in it shares its answers.

    Args:
        path: the folder; made if it does not exist (unless ``read_only``).
        read_only: open for reading only, without the lock; works while another process writes.
        max_pages: most database pages (4,096 bytes each), as a quota.

    Raises:
        StoreError: another process writes to it, it was made by a newer spillover, it is no
            study, or the disk is full.
        MissingFileError: ``read_only`` and there is no study at ``path``.
    """

    def __init__(
        self, path: str | Path, *, read_only: bool = False, max_pages: int | None = None
    ) -> None:
        self.path = Path(path)
        self._known: set[str] = set()  # asks that certainly are in the database
        self._db = Database(self.path, read_only=read_only, max_pages=max_pages)

    @property
    def finetunes(self) -> Path:
        """The folder of fine-tunes that belong to this study."""
        return self.path / "finetunes"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the lock back; safe to call twice."""
        self._db.close()

    # -- writing ---------------------------------------------------------------------------

    def put_target(self, spec: TargetSpec) -> None:
        """Write who answers; the name and place last seen are kept."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO targets VALUES (?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET name = excluded.name, spec = excluded.spec",
                (spec.id, spec.name, spec.model_dump_json(), time.time()),
            )

    def keep_answers(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Commit each answer as it arrives, then yield it. One that is there already stays."""
        for answer in answers:
            with self._db.transaction() as db:
                self._put_asks(db, (answer.ask,))
                db.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        answer.target,
                        answer.ask.id,
                        answer.text,
                        answer.tokens,
                        answer.finish,
                        _pack(answer.logprobs),
                        _pack(answer.scores),
                        answer.missing,
                        _pack_tops(answer.tops),
                        answer.reasoning,
                    ),
                )
            self._known.add(answer.ask.id)
            yield answer

    def put_judgements(self, judgements: Iterable[Judgement], *, version: str = "") -> None:
        """Write judgements in one transaction; one that is there already stays.

        ``version`` is that of the judge's rule: what another version said is kept beside it.
        """
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((j.target, j.ask, _key(j.judge, version), j.label, j.value, j.mass, j.missing, j.note)
                 for j in judgements),
            )  # fmt: skip

    def write_round(self, plan: str, number: int, asks: Sequence[Ask]) -> tuple[Ask, ...]:
        """Write the asks of a round before they are asked, and return those that count.

        A round that is written already stays as it is: an audit that goes on after a kill, or
        with a newer version of the schedule, asks what was written down first.
        """
        written = self.round(plan, number)
        if written is not None:
            return written
        with self._db.transaction() as db:
            self._put_asks(db, asks)
            db.executemany(
                "INSERT INTO rounds VALUES (?, ?, ?, ?)",
                ((plan, number, position, ask.id) for position, ask in enumerate(asks)),
            )
        self._known.update(ask.id for ask in asks)
        return tuple(asks)

    def put_result(self, result: AuditResult) -> int:
        """Write an audit's result and a verdict row for each target and axis; return its number."""
        with self._db.transaction() as db:
            row = db.execute(
                "INSERT INTO audits (created, body) VALUES (?, ?)",
                (time.time(), result.model_dump_json(by_alias=True)),
            )
            number = row.lastrowid or 0
            for name, target in result.targets.items():
                for axis_id, axis in target.axes.items():
                    thresholds = canonical_json(result.axes[axis_id].thresholds)
                    db.execute(
                        "INSERT INTO verdicts (audit, target, axis, verdict, thresholds, body)"
                        " VALUES (?, ?, ?, ?, ?, ?)",
                        (number, target.spec.id if target.spec else name, axis_id, axis.verdict,
                         thresholds, axis.model_dump_json()),
                    )  # fmt: skip
        return number

    # -- reading ---------------------------------------------------------------------------

    def targets(self) -> dict[str, TargetSpec]:
        """Every target that was ever asked, by id."""
        rows = self._db.read("SELECT id, spec FROM targets ORDER BY created, id")
        return {row[0]: self._record(TargetSpec, row[1]) for row in rows}

    def answers(self, target: str, asks: Iterable[Ask]) -> dict[str, Answer]:
        """The committed answers of the target with id ``target``, by ask id."""
        by_id = {ask.id: ask for ask in asks}
        rows = self._db.read(
            "SELECT ask, text, tokens, finish, logprobs, scores, missing, tops, reasoning FROM answers"
            " WHERE target = ? AND ask IN (SELECT value FROM json_each(?))",
            (target, json.dumps(list(by_id))),
        )
        return {row[0]: _answer(target, by_id[row[0]], row) for row in rows}

    def all_answers(self, target: str) -> Iterator[Answer]:
        """Every committed answer of one target, in no particular order."""
        rows = self._db.read(
            "SELECT ask, text, tokens, finish, logprobs, scores, missing, tops, reasoning, body"
            " FROM answers JOIN asks ON asks.id = answers.ask WHERE target = ?",
            (target,),
        )
        return (_answer(target, self._record(Ask, row[9]), row) for row in rows)

    def judgements(
        self, judge: str, target: str, asks: Iterable[str], *, version: str = ""
    ) -> dict[str, Judgement]:
        """The judgements by ``version`` of ``judge`` of one target's answers, by ask id."""
        rows = self._db.read(
            "SELECT ask, label, value, mass, missing, note FROM judgements"
            " WHERE target = ? AND judge = ? AND ask IN (SELECT value FROM json_each(?))",
            (target, _key(judge, version), json.dumps(list(asks))),
        )
        return {
            ask: Judgement(judge=judge, target=target, ask=ask, label=label, value=value,
                           mass=mass, missing=missing, note=note)
            for ask, label, value, mass, missing, note in rows
        }  # fmt: skip

    def answered(self, target: str, asks: Iterable[str]) -> int:
        """How many of these asks, by id, one target has answered."""
        rows = self._db.read(
            "SELECT COUNT(*) FROM answers"
            " WHERE target = ? AND ask IN (SELECT value FROM json_each(?))",
            (target, json.dumps(list(asks))),
        )
        return int(rows[0][0])

    def concluded(self, target: str) -> frozenset[str]:
        """The axes on which an audit of one target came to its end."""
        rows = self._db.read("SELECT DISTINCT axis FROM verdicts WHERE target = ?", (target,))
        return frozenset(row[0] for row in rows)

    def round(self, plan: str, number: int) -> tuple[Ask, ...] | None:
        """The asks of a written round, in ask order; None if it is not written."""
        rows = self._db.read(
            "SELECT body FROM rounds JOIN asks ON asks.id = rounds.ask"
            " WHERE plan = ? AND number = ? ORDER BY position",
            (plan, number),
        )
        return tuple(self._record(Ask, row[0]) for row in rows) or None

    def last_result(self) -> AuditResult | None:
        """The result of the last audit that came to its end; None if none did.

        Raises:
            StoreError: another version of spillover wrote it, in a form that this one can't read.
        """
        rows = self._db.read("SELECT body FROM audits ORDER BY id DESC LIMIT 1")
        return self._record(AuditResult, rows[0][0]) if rows else None

    def count(
        self, table: Literal["targets", "asks", "answers", "judgements", "rounds", "verdicts"]
    ) -> int:
        """Number of rows of one table."""
        return int(self._db.read(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608 (a Literal)

    # -- inside ----------------------------------------------------------------------------

    def _record(self, record: type[RecordT], text: str) -> RecordT:
        try:
            return record.model_validate_json(text)
        except ValidationError as error:
            raise StoreError(
                f"{self.path / DATABASE}: the stored {record.__name__} does not fit this version of"
                f" spillover ({first_fault(error, 'JSON')}): run the audit again (its answers are kept)"
            ) from None

    def _put_asks(self, db: sqlite3.Connection, asks: Iterable[Ask]) -> None:
        db.executemany(
            "INSERT OR IGNORE INTO asks VALUES (?, ?, ?)",
            ((ask.id, ask.question, canonical_json(ask))
             for ask in asks if ask.id not in self._known),
        )  # fmt: skip


def _key(judge: str, version: str) -> str:
    """The name under which judgements lie; before there were versions it was the judge's id."""
    return f"{judge} {version}" if version else judge


def _pack(numbers: tuple[float, ...] | None) -> bytes | None:
    return None if numbers is None else struct.pack(f"<{len(numbers)}d", *numbers)


def _unpack(data: bytes | None) -> tuple[float, ...] | None:
    return None if data is None else struct.unpack(f"<{len(data) // 8}d", data)


def _pack_tops(tops: tuple[TokenTop, ...] | None) -> str | None:
    return None if tops is None else json.dumps([[top.token, top.logprob] for top in tops])


def _unpack_tops(text: str | None) -> tuple[TokenTop, ...] | None:
    if text is None:
        return None
    return tuple(TokenTop(token=token, logprob=logprob) for token, logprob in json.loads(text))


def _answer(target: str, ask: Ask, row: Sequence[Any]) -> Answer:
    _, text, tokens, finish, logprobs, scores, missing, tops, reasoning = row[:9]
    return Answer(
        ask=ask, target=target, text=text, tokens=tokens, finish=finish,
        logprobs=_unpack(logprobs), scores=_unpack(scores), missing=missing,
        tops=_unpack_tops(tops), reasoning=reasoning,
    )  # fmt: skip
