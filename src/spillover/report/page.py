"""One self-contained HTML page: template, style and scripts, bound together by a hashed policy.

The content security policy allows the three scripts and the style sheet of this page by hash,
and no request of any kind. Answers of models are data: in the markup they are escaped by jinja2,
for the scripts they lie in JSON blocks, where ``<``, ``>`` and ``&`` are written as escapes, and
the scripts put them on the page as text only.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spillover.errors import MissingExtraError
from spillover.records import AuditResult
from spillover.report import charts, evidence_view, view

# plotly.js brings the style sheet of its maps, unless an element with this id is there already.
_MAP_STYLE = re.compile(r'document\.getElementById\("([0-9a-f]{64})"\)')
# plotly.js makes one empty <style> element and fills it by insertRule: this is the empty text.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


def render_html(result: AuditResult) -> str:
    """Return the report of ``result`` as one HTML text that works offline from ``file://``.

    Raises:
        MissingExtraError: plotly is installed without its ``plotly.min.js``.
    """
    page = view.page(result)
    style, script = _asset("report.css"), _asset("report.js")
    plotly = _plotly() if page.drawn else None
    scripts = [script] if plotly is None else [plotly, script]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            frame=charts,
            policy=_policy(style, scripts),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            plotly=None if plotly is None else Markup(plotly),  # noqa: S704 - plotly's own file
            map_style=_MAP_STYLE.findall(plotly or ""),
            charts=json_block([chart.data() for chart in page.drawn]),
            answers=json_block(evidence_view.answer_table(result.answers, result.axes)),
        )
    )


def json_block(value: Any) -> Markup:
    """Return ``value`` as JSON that is safe inside a ``<script>`` element.

    ASCII only, so that no U+2028, lone surrogate or control character is left; and without
    ``<``, ``>`` and ``&``, so that no ``</script>`` or ``<!--`` can be formed.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _policy(style: str, scripts: list[str]) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(_hash(script) for script in scripts),
            f"style-src {_hash(style)} {_EMPTY_STYLE}",
            "img-src data:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("spillover.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    folder = resources.files("spillover.report") / "templates"
    return _one_line_end(folder.joinpath(name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _plotly() -> str:
    # Found without importing plotly, which would cost more than rendering the page.
    found = importlib.util.find_spec("plotly")
    path = Path(found.origin or "").parent / "package_data" / "plotly.min.js" if found else None
    if path is None or not path.is_file():
        raise MissingExtraError("plotly.min.js is not there: reinstall the package plotly")
    return _one_line_end(path.read_text(encoding="utf-8"))


def _one_line_end(text: str) -> str:
    # A browser turns CR LF into LF before it hashes an inline script.
    return text.replace("\r\n", "\n").replace("\r", "\n")
