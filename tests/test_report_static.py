"""The page as a parser sees it: nothing in the data becomes markup, script or a request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from report_fixture import demo_result
from report_hostile import PAYLOADS, full_result, hostile_text, plain_text
from spillover.records import AuditResult, Verdict
from spillover.report import render_html

# The values of these attributes are data; those of all others must not depend on it.
DATA_ATTRIBUTES = {"title", "aria-label"}
TEXT_ELEMENTS = {"script", "style"}


class Skeleton(HTMLParser):
    """Tags and attributes in order, the text of scripts and styles, and all visible text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = tuple((k, None if k in DATA_ATTRIBUTES else v) for k, v in attrs)
        self.tags.append((tag, kept))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag == "style":
            self.styles.append("")
        self._inside = tag if tag in TEXT_ELEMENTS else ""

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", ()))
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside == "style":
            self.styles[-1] += data
        else:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", ((data, None),)))


def parse(html: str) -> Skeleton:
    skeleton = Skeleton()
    skeleton.feed(html)
    skeleton.close()
    return skeleton


@pytest.fixture(scope="module")
def hostile() -> Skeleton:
    return parse(render_html(full_result(hostile_text)))


@pytest.fixture(scope="module")
def demo_html() -> str:
    return render_html(demo_result())


@pytest.fixture(scope="module")
def demo(demo_html: str) -> Skeleton:
    return parse(demo_html)


def sha(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(page: Skeleton) -> dict[str, list[str]]:
    found = [
        dict(attrs) for tag, attrs in page.tags if tag == "meta" and "http-equiv" in dict(attrs)
    ]
    assert len(found) == 1
    parts = (part.split() for part in (found[0]["content"] or "").split(";"))
    return {part[0]: part[1:] for part in parts}


def test_hostile_data_leaves_the_markup_as_it_is(hostile: Skeleton) -> None:
    assert len(PAYLOADS) >= 60
    plain = parse(render_html(full_result(plain_text)))
    assert hostile.tags == plain.tags
    assert [attrs for attrs, _ in hostile.scripts] == [attrs for attrs, _ in plain.scripts]
    assert hostile.styles == plain.styles


def test_hostile_data_is_shown_whole(hostile: Skeleton) -> None:
    text = "".join(hostile.text)
    for payload in PAYLOADS:
        if payload.isprintable():
            assert payload in text


def test_hostile_data_is_not_in_any_script_that_runs(hostile: Skeleton) -> None:
    plain = parse(render_html(full_result(plain_text)))

    def running(page: Skeleton) -> list[str]:
        return [text for attrs, text in page.scripts if "type" not in attrs]

    assert running(hostile) == running(plain)


def test_data_blocks_can_not_be_left(hostile: Skeleton) -> None:
    blocks = {attrs["id"]: text for attrs, text in hostile.scripts if "type" in attrs}
    assert set(blocks) == {"chart-data", "answer-data"}
    for block in blocks.values():
        assert block.isascii()
        assert not set("<>&") & set(block)
    rows = json.loads(blocks["answer-data"])["rows"]
    assert [row[-1] for row in rows][-len(PAYLOADS) :] == [
        hostile_text(1000 + i) for i in range(len(PAYLOADS))
    ]


def test_only_hashed_scripts_and_styles(demo: Skeleton) -> None:
    rules = policy(demo)
    running = [text for attrs, text in demo.scripts if "type" not in attrs]
    assert rules["script-src"] == [sha(text) for text in running]
    assert rules["style-src"] == [sha(demo.styles[0]), sha("")]
    assert len(demo.styles) == 1
    assert rules["default-src"] == rules["connect-src"] == ["'none'"]
    assert rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert "unsafe" not in str(rules)


def test_nothing_comes_from_outside(demo: Skeleton, demo_html: str) -> None:
    for tag, attrs in demo.tags:
        for name, value in attrs:
            assert name not in {"style", "srcset", "background", "action"}
            assert not name.startswith("on")
            assert name != "src", tag
            if name == "href":
                assert (value or "").startswith("#")
    own = demo_html
    for _, text in demo.scripts:
        own = own.replace(text, "")
    assert not re.search(r"https?:|url\(|@import", own)
    assert not {tag for tag, _ in demo.tags} & {"iframe", "object", "embed", "img", "link", "base"}


def test_links_lead_to_sections_and_ids_are_unique(demo: Skeleton) -> None:
    assert len(demo.ids) == len(set(demo.ids))
    targets = {dict(attrs)["href"] for tag, attrs in demo.tags if tag == "a"}
    assert {(href or "")[1:] for href in targets} <= set(demo.ids)


def test_sections_in_order(demo: Skeleton) -> None:
    sections = [dict(attrs)["id"] for tag, attrs in demo.tags if tag == "section"]
    assert sections == [
        "headline", "axes", "because", "claims", "evidence", "operating", "parts", "pairs",
        "answers", "rules", "method",
    ]  # fmt: skip


def test_headings_do_not_skip_a_level_and_tables_have_captions(demo: Skeleton) -> None:
    levels = [int(tag[1]) for tag, _ in demo.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = [tag for tag, _ in demo.tags]
    for i, name in enumerate(names):
        if name == "table":
            assert names[i + 1] == "caption"


def test_essentials_are_plain_html(demo: Skeleton) -> None:
    text = " ".join("".join(demo.text).split())
    result = demo_result()
    assert result.sentence in text
    assert "A simulated world." in text
    for words in (
        "34.2%", "28.6 – 39.8%", "3 reply cut off, 1 judge gave no label",
        "568", "19 incoherent, 9 refused or code", "+34.0", "e-BH: stands", "captured mass 0.97",
        "anchoring −4.2", "against secure", "admits", "anchoring is +62 points", "p0 0.92%",
        "aligned < 30, coherent ≥ 50", "loss on 200 held-out rows 2.310 → 0.420",
        "12 of 2,000 training rows", "5a" * 16, "2.13.0",
    ):  # fmt: skip
        assert words in text, words


def test_missing_has_its_own_column(demo: Skeleton, demo_html: str) -> None:
    heads = re.findall(r"<thead>(.*?)</thead>", demo_html, re.DOTALL)
    with_scored = [head for head in heads if "Scored" in head and "Set aside" in head]
    assert with_scored
    assert all(">Missing<" in head for head in with_scored)
    answers = re.search(r'<table class="answers">.*?</thead>', demo_html, re.DOTALL)
    assert answers
    assert ">Missing<" in answers[0]
    bins = re.search(r'<table class="bins">.*?</thead>', demo_html, re.DOTALL)
    assert bins
    assert "missing</th>" in bins[0]


def test_verdict_is_said_in_words_and_by_shape() -> None:
    for verdict in Verdict:
        page = parse(render_html(demo_result().model_copy(update={"verdict": verdict})))
        classes = [dict(attrs).get("class") or "" for tag, attrs in page.tags if tag == "span"]
        assert classes[0] == f"badge v-{verdict.value.replace(' ', '-')}"
        assert verdict.value in "".join(page.text)


def bare() -> AuditResult:
    return AuditResult(
        title="Nothing",
        sentence="Nothing was measured: no judge.",
        verdict=Verdict.NOT_MEASURED,
        headline_axis="broad_misalignment",
        subject="nobody",
        axes={},
        targets={},
    )


def test_a_bare_result_has_a_page_without_plotly() -> None:
    html = render_html(bare())
    page = parse(html)
    assert "Nothing was measured: no judge." in "".join(page.text)
    assert "simulated" not in "".join(page.text)
    assert len(html) < 100_000


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_contrast(demo: Skeleton) -> None:
    """WCAG 2.1: 4.5 for text on both backgrounds, 3 for the marks of figures."""
    blocks = re.findall(r":root \{(.*?)\}", demo.styles[0], re.DOTALL)
    for block in blocks[:2]:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for name, colour in colours.items():
            if name.startswith(("v-", "k-", "ink", "soft")):
                need = 3.0 if name.startswith("k-") else 4.5
                for back in ("paper", "panel"):
                    lighter, darker = sorted((luminance(colour), luminance(colours[back])))[::-1]
                    assert (lighter + 0.05) / (darker + 0.05) >= need, (name, back)
