"""Writing and reading: both files or neither, whole or not at all, one clear line for bad input."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report_fixture import bets, demo_result
from spillover.errors import DataError, MissingFileError, StoreError
from spillover.records import AxisResult, Sample, TargetResult
from spillover.report import read_report, report_schema, schema_text, write_report

ROOT = Path(__file__).parent.parent
FULL = Path("/dev/full")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    result = demo_result()
    paths = write_report(result, tmp_path / "new" / "folder")
    assert read_report(paths.json) == result
    assert read_report(paths.json.parent) == result
    assert paths.html.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_has_the_promised_places(tmp_path: Path) -> None:
    found = json.loads(write_report(demo_result(), tmp_path).json.read_text(encoding="utf-8"))
    assert found["schema"] == "spillover/report/1"
    assert found["targets"]["secure"]["role"] == "control"
    axis = found["targets"]["insecure"]["axes"]["broad_misalignment"]
    assert {k: axis[k] for k in ("verdict", "estimate", "scored", "missing", "asked")} == {
        "verdict": "spillover", "estimate": 0.342, "scored": 568, "missing": 4, "asked": 600,
    }  # fmt: skip
    assert len(axis["interval"]) == 2


def test_published_schema_is_current() -> None:
    published = (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), (
        "docs/report.schema.json is stale: write spillover.report.schema_text() there"
    )


def test_schema_names_every_field_of_a_report(tmp_path: Path) -> None:
    """A small walk of the schema itself, so that no field is written that it does not have."""
    schema = report_schema()

    def check(value: object, rule: dict[str, object], place: str) -> None:
        if "$ref" in rule:
            name = str(rule["$ref"]).rsplit("/", 1)[1]
            rule = schema["$defs"][name]
        options = rule.get("anyOf") or rule.get("oneOf")
        if isinstance(options, list):
            for option in options:
                try:
                    check(value, option, place)
                except AssertionError:
                    continue
                return
            raise AssertionError(place)
        if "const" in rule:
            assert value == rule["const"], place
        if "enum" in rule:
            assert value in rule["enum"], place  # type: ignore[operator]
        kinds = {
            "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
            "number": (int, float), "integer": int,
        }  # fmt: skip
        if "type" in rule:
            assert isinstance(value, kinds[str(rule["type"])]), place  # type: ignore[arg-type]
        if isinstance(value, dict):
            known = rule.get("properties") or {}
            more = rule.get("additionalProperties")
            assert isinstance(known, dict)
            for name, item in value.items():
                assert name in known or isinstance(more, dict), f"{place}.{name}"
                check(item, known.get(name, more), f"{place}.{name}")
        if isinstance(value, list) and isinstance(rule.get("items"), dict):
            for i, item in enumerate(value):
                check(item, rule["items"], f"{place}[{i}]")  # type: ignore[arg-type]

    found = json.loads(write_report(demo_result(20), tmp_path).json.read_text(encoding="utf-8"))
    check(found, schema, "report")
    found["targets"]["base"]["axes"]["refusal"]["asked"] = "many"
    with pytest.raises(AssertionError, match="asked"):
        check(found, schema, "report")


def test_infinite_bets_can_be_read_back(tmp_path: Path) -> None:
    result = demo_result(5)
    target = result.targets["insecure"]
    axis = target.axes["broad_misalignment"]
    endless = bets(0.3, 1).model_copy(
        update={"asked": (1, 2), "e_up": (8.2e307, math.inf), "e_down": (0.5, 0.0)}
    )
    axes = {
        **target.axes,
        axis_id(result): axis.model_copy(update={"bets": endless, "e_value": math.inf}),
    }
    result = result.model_copy(
        update={"targets": {**result.targets, "insecure": target.model_copy(update={"axes": axes})}}
    )
    paths = write_report(result, tmp_path)
    again = read_report(paths.json).targets["insecure"].axes["broad_misalignment"]
    assert again.bets
    assert again.bets.e_up == (1e300, 1e300)  # as the page and the documentation say
    assert "over 10³⁰⁰" in paths.html.read_text(encoding="utf-8")


def axis_id(result: object) -> str:
    return result.headline_axis  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_can_be_written_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    sample = Sample(
        target="base", axis="refusal", question="q", prompt=text or "?", text=text, bin=text
    )
    result = demo_result(0)
    bare = {name: TargetResult(role=t.role) for name, t in result.targets.items()}
    subject = {result.headline_axis: AxisResult()}
    bare[result.subject] = bare[result.subject].model_copy(update={"axes": subject})
    result = result.model_copy(
        update={"answers": (sample,), "sentence": text, "operating_curve": (), "targets": bare}
    )
    paths = write_report(result, tmp_path_factory.mktemp("text"))
    back = read_report(paths.json).answers[0].text
    assert len(back) == len(text)
    assert all(a == b or "\ud800" <= b <= "\udfff" for a, b in zip(back, text, strict=True))


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("full", ["report.html", "report.json"])
def test_full_disk_is_one_line_and_leaves_no_half(tmp_path: Path, full: str) -> None:
    other = {"report.html": "report.json", "report.json": "report.html"}[full]
    (tmp_path / full).symlink_to(FULL)
    with pytest.raises(StoreError, match="No space left") as caught:
        write_report(demo_result(5), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / other).exists()
    assert [path.name for path in tmp_path.iterdir()] == [full]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_full_disk_leaves_the_earlier_report(tmp_path: Path) -> None:
    write_report(demo_result(5), tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").symlink_to(FULL)
    with pytest.raises(StoreError):
        write_report(demo_result(9), tmp_path)
    assert (tmp_path / "report.json").read_bytes() == before


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_device_or_file_as_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="name a folder"):
        write_report(demo_result(5), FULL)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="name a folder"):
        write_report(demo_result(5), tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n  broken", r"report.json:2: not JSON"),
        ('{"schema": "other/1"}', "'other/1', but must be \"spillover/report/1\""),
        ("[1, 2]", "is not a report"),
        ('{"schema": "spillover/report/1", "title": "x"}', "Field required"),
    ],
)
def test_what_is_not_ours_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_report(path)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*report\.json"):
        read_report(tmp_path)


def test_writing_is_fast_and_small_enough(tmp_path: Path) -> None:
    write_report(demo_result(5), tmp_path)  # template and plotly are read once
    result = demo_result(5000)
    start = time.process_time()
    paths = write_report(result, tmp_path)
    took = time.process_time() - start
    assert took < 3, f"{took:.1f} s of processor time; about 0.3 s is usual"
    assert paths.html.stat().st_size < 7_000_000


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("headline_axis",), r"headline_axis: there is no 'nix'; there are .*broad_misalignment"),
        (("subject",), r"subject: there is no 'nix'; there are .*insecure"),
    ],
)
def test_names_that_lead_nowhere_are_named(
    tmp_path: Path, place: tuple[str, ...], message: str
) -> None:
    path = write_report(demo_result(3), tmp_path).json
    found = json.loads(path.read_text(encoding="utf-8"))
    found[place[0]] = "nix"
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_report(path)


def test_an_axis_that_only_a_target_has_is_named(tmp_path: Path) -> None:
    path = write_report(demo_result(3), tmp_path).json
    found = json.loads(path.read_text(encoding="utf-8"))
    del found["axes"]["refusal"]
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(DataError, match=r"targets\.\w+\.axes: there is no 'refusal'"):
        read_report(path)


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_between_the_renames_leaves_no_page_of_another_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    write_report(demo_result(5), tmp_path)
    real, done = os.replace, []

    def killed(source: str, target: str) -> None:
        if len(done) == renames:
            raise SystemExit  # as near to a kill as a test can come
        done.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemExit):
        write_report(demo_result(9), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert len(read_report(tmp_path).answers) == len(demo_result((5, 9)[renames]).answers)


def test_a_number_of_too_many_digits_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(f'{{"schema": {"1" * 5000}}}', encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.json: JSON that can't be read"):
        read_report(tmp_path)
