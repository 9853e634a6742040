"""The page in headless Chromium: nothing in the data runs, asks or pops up; and it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from report_browser import CHROMIUM, Browser
from report_fixture import demo_result
from report_hostile import PAYLOADS, full_result, hostile_text
from spillover.report import write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SHOW_ALL = """(async () => {
  document.querySelectorAll('details').forEach((node) => { node.open = true; });
  for (let y = 0; y < document.body.scrollHeight; y += 800) {
    window.scrollTo(0, y);
    await new Promise((done) => setTimeout(done, 20));
  }
})()"""


def assert_quiet(browser: Browser, path: Path) -> None:
    """Nothing was asked for, said, thrown or popped up since the browser started."""
    asked = [event["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert asked == [path.resolve().as_uri()]
    assert browser.named("Page.javascriptDialogOpening") == []
    assert browser.named("Runtime.exceptionThrown") == []
    assert [event["entry"]["text"] for event in browser.named("Log.entryAdded")] == []
    assert browser.named("Runtime.consoleAPICalled") == []
    assert [event["windowOpen"] for event in browser.named("Page.windowOpen")] == []


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(full_result(hostile_text), tmp_path_factory.mktemp("hostile")).html


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


def test_the_canary_would_be_seen(tmp_path: Path, browser: Browser) -> None:
    """The same payloads in a page that does not guard itself are seen by this very test."""
    page = tmp_path / "naive.html"
    body = "".join(f"<div>{payload}</div>" for payload in PAYLOADS[11:17])
    page.write_text(f"<!doctype html><meta charset=utf-8>{body}", encoding="utf-8")
    browser.open(page)
    assert browser.named("Page.javascriptDialogOpening")
    assert len(browser.named("Network.requestWillBeSent")) > 1


def test_hostile_answers_do_nothing(hostile_page: Path, browser: Browser) -> None:
    browser.open(hostile_page)
    browser.js(SHOW_ALL)
    texts: list[str] = []
    while True:
        texts += browser.js(
            "[...document.querySelectorAll('#rows td.text span')].map((node) => node.textContent)"
        )
        if browser.js("document.getElementById('on').disabled"):
            break
        browser.js("document.getElementById('on').click()")
    for i, _ in enumerate(PAYLOADS):
        assert hostile_text(1000 + i) in texts
    # Every text as a search, every choice of every filter, every pointer event on the table.
    browser.js(f"""(async () => {{
      const box = document.getElementById('by-text');
      for (const text of {json.dumps(PAYLOADS[:12])}) {{
        box.value = text;
        box.dispatchEvent(new Event('input'));
        await new Promise((done) => setTimeout(done, 160));
      }}
      box.value = '';
      for (const select of document.querySelectorAll('select')) {{
        for (const option of select.options) {{
          select.value = option.value;
          select.dispatchEvent(new Event('change', {{ bubbles: true }}));
        }}
      }}
      for (const node of document.querySelectorAll('body *')) {{
        for (const kind of ['mouseover', 'focus', 'blur', 'toggle']) node.dispatchEvent(new Event(kind));
      }}
    }})()""")
    browser.wait(0.5)
    assert browser.js("typeof window.pwned") == "undefined"
    assert browser.js("document.querySelectorAll('script').length") == 4
    odd = "iframe,object,embed,img,link,base,form:not(#filter),video,audio,template,marquee"
    assert browser.js(f"document.querySelectorAll({odd!r}).length") == 0
    assert browser.js("[...document.links].every((a) => a.getAttribute('href').startsWith('#'))")
    assert browser.js("location.href").startswith("file:")
    assert_quiet(browser, hostile_page)


def test_charts_are_drawn_within_the_policy(tmp_path: Path, browser: Browser) -> None:
    page = write_report(demo_result(), tmp_path).html
    browser.open(page)
    browser.js(SHOW_ALL)
    browser.wait(0.5)
    charts = browser.js("document.querySelectorAll('.chart').length")
    assert charts == 4
    assert (
        browser.js("document.querySelectorAll('.chart.drawn .live svg.main-svg').length") >= charts
    )
    assert_quiet(browser, page)


def test_twenty_thousand_answers_are_filtered_at_once(tmp_path: Path, browser: Browser) -> None:
    result = demo_result(20_000)
    page = write_report(result, tmp_path).html
    browser.open(page)
    assert browser.js("document.getElementById('found').textContent") == "20,000 of 20,000 answers"
    took = browser.js("""(() => {
      const start = performance.now();
      const select = document.getElementById('by-bin');
      select.value = [...select.options].find((option) => option.text === 'misaligned').value;
      select.dispatchEvent(new Event('change', { bubbles: true }));
      return performance.now() - start;
    })()""")
    assert took < 500, f"{took:.0f} ms; about 10 ms is usual"
    wanted = sum(sample.bin == "misaligned" for sample in result.answers)
    assert browser.js("document.getElementById('found').textContent") == (
        f"{wanted:,} of 20,000 answers"
    )
    browser.js("""document.getElementById('by-text').value = 'DUNGEON';
      document.getElementById('by-text').dispatchEvent(new Event('input'))""")
    browser.wait(0.6)
    both = sum(s.bin == "misaligned" and "dungeon" in s.text for s in result.answers)
    assert (
        browser.js("document.getElementById('found').textContent") == f"{both:,} of 20,000 answers"
    )
    assert browser.js("document.querySelectorAll('#rows tr').length") == 50


@pytest.mark.parametrize("hostile", [False, True])
def test_a_phone_needs_no_sideways_scrolling(
    tmp_path: Path, hostile_page: Path, hostile: bool
) -> None:
    page = hostile_page if hostile else write_report(demo_result(), tmp_path).html
    with Browser(width=390, height=844, dark=True) as browser:
        browser.open(page)
        browser.js(SHOW_ALL)
        assert browser.js("document.documentElement.scrollWidth") == 390
