"""What a benchmark prints, and whether every promise was kept."""

from __future__ import annotations


class Page:
    """Lines for people, and whether every promise was kept.

    A figure that could not be measured (nan) keeps no promise.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kept = True
        self.later: list[tuple[str, float]] = []

    def say(self, line: str = "") -> None:
        self.lines.append(line)
        print(line, flush=True)

    def promise(self, what: str, value: float, limit: float) -> None:
        self._hold(what, value, value <= limit, f"at most {limit:g}")

    def promise_above(self, what: str, value: float, limit: float) -> None:
        self._hold(what, value, value > limit, f"above {limit:g}")

    def promise_under(self, what: str, value: float, limit: float) -> None:
        self._hold(what, value, value < limit, f"under {limit:g}")

    def promise_later(self, what: str, value: float) -> None:
        self.later.append((what, value))

    def settle(self, limit: float) -> None:
        """Print the promises kept back while a table was printed."""
        self.say()
        for what, value in self.later:
            self.promise(what, value, limit)
        self.later.clear()
        self.say()

    def _hold(self, what: str, value: float, good: bool, wanted: str) -> None:
        self.kept &= good
        self.say(f"- {what}: {value:.4g}, {wanted}: {'kept' if good else 'MISSED'}")
