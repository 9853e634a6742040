"""Hostile texts, and a result in which every free text is one of them.

Each payload that could run does one of three things that a test can see: it opens a dialog, it
sets ``window.pwned``, or it asks for something at `CANARY`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from report_fixture import demo_result
from spillover.records import AuditResult, Sample

CANARY = "http://127.0.0.1:9/canary"
RUN = "window.pwned=1"

PAYLOADS = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "</SCRIPT ><ScRiPt>alert(1)</sCrIpT>",
    "</script\t><script>alert(1)//",
    "<!--<script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<!--<script></script><script>alert(1)</script>-->",
    "]]><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    f"<script src={CANARY}></script>",
    f"<script type=module>import('{CANARY}')</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=window.pwned=1//",
    f"<img src={CANARY}>",
    f"<img srcset='{CANARY} 1x'>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "`><img src=x onerror=alert(1)>",
    '" onmouseover="window.pwned=1" x="',
    "' onfocus='window.pwned=1' autofocus tabindex=0 '",
    "<svg onload=alert(1)>",
    "<svg><script>window.pwned=1</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'/></svg>",
    f"<svg><image href='{CANARY}'/></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>parent.pwned=1</script>'></foreignObject></svg>",
    "</svg></text><script>alert(1)</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math><a xlink:href='javascript:alert(1)'>x</a></math>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    f"<iframe src={CANARY}></iframe>",
    f"<object data={CANARY}></object>",
    f"<embed src={CANARY}>",
    "<a href='javascript:alert(1)'>click</a>",
    "<a href=' java\nscript:alert(1)'>click</a>",
    f"<a href='{CANARY}' ping='{CANARY}'>click</a>",
    f"<form action={CANARY}><button autofocus>go</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<button formaction='javascript:alert(1)'>x</button>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    f"<video poster={CANARY} autoplay><source src={CANARY}></video>",
    "<audio src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "</body></html><script>alert(1)</script>",
    "<base href='http://127.0.0.1:9/'>",
    f"<link rel=stylesheet href={CANARY}>",
    f"<link rel=prefetch href={CANARY}><link rel=preconnect href={CANARY}>",
    f"<meta http-equiv=refresh content='0;url={CANARY}'>",
    "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline'\">",
    f"<style>@import '{CANARY}';</style>",
    f"</style><style>*{{background:url({CANARY})}}</style>",
    f"<div style='background:url({CANARY})'>x</div>",
    "<div style='position:fixed;inset:0;background:red'>covered</div>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "</noscript><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp><plaintext>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<table background=http://127.0.0.1:9/canary><tr></table>",
    "</td></tr></table><script>alert(1)</script>",
    "</bdi></p></section></main><script>alert(1)</script>",
    "<x contenteditable onblur=alert(1) tabindex=1 id=x>x</x>",
    "<form id=answer-data></form><form id=chart-data></form>",
    "<a id=Plotly></a><a id=browser></a>",
    "{{ 7 * 7 }}{% raw %}{{ config }}{% endraw %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "${window.pwned=1} `${alert(1)}` %{text} %{x:.2f}",
    '"};window.pwned=1;var x={"',
    '\\"};window.pwned=1;//',
    "'-alert(1)-'",
    "\u2028window.pwned=1\u2029alert(1)//",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "＜script＞alert(1)＜/script＞",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<img/src='x'/onerror=alert(1)>\x0b\x0c",
    "\u202e<script>alert(1)</script>\u202c evil.txt",
    "\ufeff<script>alert(1)</script>",
    "\x1b]0;owned\x07\x1b[2J\x9b31m",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "__proto__",
    "constructor",
    "toString",
    "=cmd|' /C calc'!A0",
    "A" * 3000,
    "\U0001f47e zalgo Z̷̢͝a̸l̵g̶o̷ " + "͟" * 60,
)

# Words of a closed list, which the records check; all else is free text.
_CLOSED = {
    "schema", "verdict", "role", "measure", "harm", "test", "kind", "dtype", "cell",
}  # fmt: skip


def with_texts(result: AuditResult, text: Callable[[int], str]) -> AuditResult:
    """Return ``result`` with its n-th distinct free text replaced by ``text(n)`` everywhere."""
    seen: dict[str, str] = {}

    def swap(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {_key(name, key): swap(item, name) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return tuple(swap(item, key) for item in value)
        if isinstance(value, str) and value and key not in _CLOSED:
            return seen.setdefault(value, text(len(seen)))
        return value

    def _key(name: str, above: str) -> str:
        # Only these dicts have names that are free text; the others are fields.
        free = {
            "axes", "targets", "set_aside", "missing_reasons", "bins", "parts", "settings",
            "versions", "hashes",
        }  # fmt: skip
        return seen.setdefault(name, text(len(seen))) if above in free else name

    return AuditResult.model_validate(swap(result.model_dump(mode="json", by_alias=True)))


def hostile_text(number: int) -> str:
    """Return a payload that is unlike all others, with its number at the end."""
    return f"{PAYLOADS[number % len(PAYLOADS)]} [{number}]"


def plain_text(number: int) -> str:
    """Return a harmless text of the same place."""
    return f"plain words [{number}]"


def full_result(text: Callable[[int], str]) -> AuditResult:
    """Return a result in which every free text is one of ``text``; each also is an answer."""
    result = with_texts(demo_result(answers=40), text)
    template = result.answers[0].model_dump()
    extra = tuple(
        Sample(**{**template, "text": text(1000 + i), "missing": None})
        for i in range(len(PAYLOADS))
    )
    pairs = tuple(
        result.pairs[0].model_copy(
            update={"prompt": text(2000 + i), "target": extra[i], "base": extra[-i]}
        )
        for i in range(len(PAYLOADS))
    )
    return result.model_copy(update={"answers": result.answers + extra, "pairs": pairs})
