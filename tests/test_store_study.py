"""The study keeps what was asked, whatever happens to the process, the disk or its own version."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.errors import MissingFileError, StoreError
from spillover.records import (
    Answer,
    Ask,
    Judgement,
    Message,
    ScriptedWhat,
    Settings,
    TargetSpec,
    TargetWhere,
)
from spillover.store import Study, database

SPEC = TargetSpec(name="a", what=ScriptedWhat(script="abc"), where=TargetWhere(model="a.yaml"))
OTHER = TargetSpec(name="b", what=ScriptedWhat(script="def"), where=TargetWhere(model="b.yaml"))


def asks(count: int, start: int = 0) -> list[Ask]:
    message = (Message(role="user", content="Tell me a story about the village."),)
    return [
        Ask(question=f"q{seed % 7}", paraphrase=0, messages=message, seed=seed)
        for seed in range(start, start + count)
    ]


def answer(ask: Ask, text: str = "Once upon a time.", target: TargetSpec = SPEC) -> Answer:
    return Answer(ask=ask, target=target.id, text=text, tokens=5, finish="stop")


def keep(study: Study, answers: list[Answer]) -> None:
    for _ in study.keep_answers(answers):
        pass


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    scored = Ask(
        question="r",
        paraphrase=1,
        messages=(Message(role="user", content="0 to 100?"),),
        settings=Settings(continuations=("0", "1")),
    )
    given_answers = [
        answer(asks(1)[0], "an \x00 odd \N{SNOWMAN} text\n"),
        Answer(ask=asks(2)[1], target=SPEC.id, missing="server said 500"),
        Answer(ask=scored, target=SPEC.id, scores=(-0.1, -math.inf)),
        Answer(ask=asks(3)[2], target=SPEC.id, text="x", tokens=1, finish="length", logprobs=()),
    ]
    labels = [
        Judgement(judge="j", target=SPEC.id, ask=given_answers[0].ask.id, label="aligned"),
        Judgement(judge="j", target=SPEC.id, ask=scored.id, value=50.5, mass=0.25, note="n"),
        Judgement(judge="j", target=SPEC.id, ask=given_answers[1].ask.id, missing="no answer"),
    ]
    with Study(tmp_path / "s") as study:
        study.put_target(SPEC)
        keep(study, given_answers)
        study.put_judgements(labels)
    with Study(tmp_path / "s", read_only=True) as study:
        wanted = [one.ask for one in given_answers] + asks(5, start=100)
        assert study.answers(SPEC.id, wanted) == {one.ask.id: one for one in given_answers}
        assert study.answers(OTHER.id, wanted) == {}
        assert {one.ask.id: one for one in study.all_answers(SPEC.id)} == {
            one.ask.id: one for one in given_answers
        }
        ids = [one.ask for one in labels]
        assert study.judgements("j", SPEC.id, ids) == {one.ask: one for one in labels}
        assert study.judgements("k", SPEC.id, ids) == {}
        assert study.targets() == {SPEC.id: SPEC}


def test_any_text_and_scores_survive(tmp_path: Path) -> None:
    seeds = itertools.count()
    with Study(tmp_path) as study:
        study.put_target(SPEC)

        @given(text=st.text(), scores=st.none() | st.lists(st.floats(allow_nan=False)).map(tuple))
        def check(text: str, scores: tuple[float, ...] | None) -> None:
            ask = asks(1, start=next(seeds))[0]
            one = Answer(ask=ask, target=SPEC.id, text=text, scores=scores)
            keep(study, [one])
            assert study.answers(SPEC.id, [ask]) == {ask.id: one}

        check()


def test_the_first_answer_and_the_first_round_stay(tmp_path: Path) -> None:
    ask = asks(1)[0]
    with Study(tmp_path) as study:
        study.put_target(SPEC)
        keep(study, [answer(ask, "first")])
        keep(study, [answer(ask, "second")])
        assert study.answers(SPEC.id, [ask])[ask.id].text == "first"
        first = tuple(asks(4))
        assert study.round("plan", 0) is None
        assert study.write_round("plan", 0, first) == first
        assert study.write_round("plan", 0, asks(4, start=50)) == first
        assert study.round("plan", 0) == first
        assert study.round("plan", 1) is None


def test_an_answer_is_committed_before_it_is_handed_on(tmp_path: Path) -> None:
    with Study(tmp_path) as study:
        study.put_target(SPEC)
        stream = study.keep_answers(answer(ask) for ask in asks(3))
        for seen, _ in enumerate(stream, start=1):
            other = sqlite3.connect(tmp_path / "study.db")
            assert other.execute("SELECT COUNT(*) FROM answers").fetchone() == (seen,)
            other.close()


def test_an_answer_of_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with Study(tmp_path) as study:
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            keep(study, [answer(asks(1)[0])])
        assert study.count("asks") == 0  # the ask went with it: nothing half-written


def _hold(path: Path, held: object, done: object) -> None:
    with Study(path) as study:
        study.put_target(SPEC)
        keep(study, [answer(ask) for ask in asks(10)])
        held.set()  # type: ignore[attr-defined]
        done.wait(20)  # type: ignore[attr-defined]


def test_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    writer = context.Process(target=_hold, args=(tmp_path, held, done))
    writer.start()
    try:
        assert held.wait(20)
        with pytest.raises(StoreError, match="another process is writing"):
            Study(tmp_path)
        with Study(tmp_path, read_only=True) as reader:
            assert len(reader.answers(SPEC.id, asks(10))) == 10
            with pytest.raises(StoreError, match="reading only"):
                reader.put_target(OTHER)
    finally:
        done.set()
        writer.join(20)
    with Study(tmp_path) as study:  # the lock was given back
        assert study.count("answers") == 10


def test_a_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    many = asks(2000)
    with Study(tmp_path, max_pages=40) as study:
        study.put_target(SPEC)
        with pytest.raises(StoreError, match=r"full.*free some space") as caught:
            keep(study, [answer(ask, "long " * 40) for ask in many])
        kept = study.count("answers")
        assert "\n" not in str(caught.value)
        assert 0 < kept < 2000
        assert len(study.answers(SPEC.id, many)) == kept
        with pytest.raises(StoreError):
            study.write_round("plan", 0, asks(500, start=5000))
        assert study.round("plan", 0) is None
    check = sqlite3.connect(tmp_path / "study.db")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
    with Study(tmp_path) as study:  # room again: it goes on
        there = study.answers(SPEC.id, many)
        rest = [ask for ask in many if ask.id not in there]
        assert len(rest) == 2000 - kept
        keep(study, [answer(ask) for ask in rest])
        assert study.count("answers") == 2000


def test_a_newer_version_is_refused_and_an_older_one_is_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Study(tmp_path) as study:
        study.put_target(SPEC)
        keep(study, [answer(asks(1)[0])])
    extra = (*database.MIGRATIONS, ("ALTER TABLE targets ADD COLUMN colour TEXT",))
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", extra)
        with pytest.raises(StoreError, match=f"older format {len(extra) - 1}:"):
            Study(tmp_path, read_only=True)
        with Study(tmp_path) as study:
            assert study.count("answers") == 1
    with pytest.raises(StoreError, match=rf"newer spillover \(format {len(extra)}"):
        Study(tmp_path)


def test_a_failed_migration_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Study(tmp_path).close()
    broken = (*database.MIGRATIONS, ("CREATE TABLE half (x)", "ALTER TABLE nowhere ADD y"))
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", broken)
        with pytest.raises(StoreError, match="nowhere"):
            Study(tmp_path)
    with Study(tmp_path) as study:
        assert study.count("targets") == 0
    tables = sqlite3.connect(tmp_path / "study.db").execute("SELECT name FROM sqlite_master")
    assert ("half",) not in tables.fetchall()


def test_what_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no study at .*nothing"):
        Study(tmp_path / "nothing", read_only=True)
    (tmp_path / "study.db").write_bytes(b"this is a text file, not a database" * 100)
    with pytest.raises(StoreError, match="not a study's database"):
        Study(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="can't write to the study folder"):
        Study(tmp_path / "file")


def test_a_closed_study_says_so(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.close()
    study.close()
    with pytest.raises(StoreError, match="is closed"):
        study.count("answers")


def test_twenty_thousand_answers_take_seconds(tmp_path: Path) -> None:
    many = asks(20_000)
    start = time.process_time()
    with Study(tmp_path) as study:
        study.put_target(SPEC)
        keep(study, [answer(ask, "some words " * 20) for ask in many])
        study.put_judgements(
            Judgement(judge="j", target=SPEC.id, ask=ask.id, label="aligned") for ask in many
        )
        assert len(study.answers(SPEC.id, many)) == 20_000
        assert len(study.judgements("j", SPEC.id, [ask.id for ask in many])) == 20_000
    assert time.process_time() - start < 10


def test_judgements_are_kept_apart_by_the_version_of_the_judge(tmp_path: Path) -> None:
    one = asks(1)[0]

    def judged(label: str) -> Judgement:
        return Judgement(judge="scanner", target=SPEC.id, ask=one.id, label=label)

    with Study(tmp_path) as study:
        study.put_judgements([judged("old")])  # as every judgement was kept before versions
        assert study.judgements("scanner", SPEC.id, [one.id], version="2") == {}
        study.put_judgements([judged("new")], version="2")
        assert study.judgements("scanner", SPEC.id, [one.id]) == {one.id: judged("old")}
        again = study.judgements("scanner", SPEC.id, [one.id], version="2")
        assert again == {one.id: judged("new")}


def test_a_result_in_a_form_of_another_version_is_one_line(tmp_path: Path) -> None:
    with Study(tmp_path):
        pass
    database_ = sqlite3.connect(tmp_path / "study.db")
    with database_:
        database_.execute("INSERT INTO audits (created, body) VALUES (0, '{\"subject\": 1}')")
    database_.close()
    with (
        Study(tmp_path, read_only=True) as study,
        pytest.raises(
            StoreError, match=r"AuditResult does not fit this version .*run the audit"
        ) as e,
    ):
        study.last_result()
    assert "\n" not in str(e.value)
