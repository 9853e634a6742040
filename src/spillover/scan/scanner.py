"""Bandit as a library: set up once, fed with strings."""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import warnings
from collections.abc import Iterable
from importlib import metadata, resources
from typing import Any, NamedTuple

import yaml

_CODE = 1  # raise it when finding, parsing or scanning code gives another result for some answer


class Finding(NamedTuple):
    """One thing that bandit flags: test id, its name, line in its piece of code, and what it says."""

    test: str
    name: str
    line: int
    severity: str
    confidence: str
    text: str


class Scanned(NamedTuple):
    findings: list[Finding]
    failed: str | None


class Bandit:
    """Bandit's plugins and node visitor, set up once and fed strings."""

    def __init__(self, ignore: Iterable[str]) -> None:
        formatwarning = warnings.formatwarning
        try:  # importing bandit replaces how every warning of the process is printed
            from bandit.core import config, meta_ast, metrics, node_visitor, test_set, tester
        finally:
            warnings.formatwarning = formatwarning

        class Tester(tester.BanditTester):
            failed: str | None = None

            def report_error(self, test: str, context: Any, error: Exception) -> None:  # type: ignore[override]
                # bandit logs a plugin's crash and goes on, as if it had found nothing
                self.failed = f"{test}: {error}"

        self._tester, self._visitor = Tester, node_visitor.BanditNodeVisitor
        self._tests = test_set.BanditTestSet(config.BanditConfig(), {"exclude": list(ignore)})
        self._meta, self._metrics = meta_ast.BanditMetaAst(), metrics.Metrics()
        self._metrics.begin("answer.py")
        logging.getLogger("bandit").setLevel(logging.CRITICAL)

    def scan(self, code: str) -> Scanned:
        """Return what bandit flags in ``code``, which must parse."""
        data = io.BytesIO(code.encode("utf-8", "replace"))
        visitor = self._visitor(
            "answer.py", data, self._meta, self._tests, False, {}, self._metrics
        )
        visitor.tester = tester = self._tester(self._tests, False, {}, self._metrics)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                visitor.process(code)
        except (RecursionError, MemoryError) as error:
            return Scanned([], type(error).__name__)
        found = [
            Finding(i.test_id, i.test, i.lineno, i.severity, i.confidence, i.text)
            for i in tester.results
        ]
        return Scanned(found, tester.failed)


def ignored_tests() -> dict[str, str]:
    """Return the bandit tests that are left out, each with the reason."""
    return dict(yaml.safe_load(_ignored_text())["ignore"])


def scan_version() -> str:
    """Return what names the scanner's rule: bandit's version, and a digest of what is left out."""
    left_out = hashlib.sha256(f"{_CODE} {_ignored_text()}".encode()).hexdigest()[:12]
    return f"bandit {metadata.version('bandit')} {left_out}"


@functools.cache
def _ignored_text() -> str:
    path = resources.files("spillover") / "assets" / "scan" / "bandit.yaml"
    return path.read_text(encoding="utf-8")


@functools.cache
def bandit() -> Bandit:
    return Bandit(ignored_tests())
