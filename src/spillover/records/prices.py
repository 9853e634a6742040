"""What calls to models behind an API cost, and what a run has used."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field

from spillover.records.base import Record


class TokenPrice(Record):
    """US dollars for a million tokens of the models whose names fit one of the shell patterns."""

    models: tuple[str, ...] = Field(min_length=1)
    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)

    def fits(self, model: str) -> bool:
        """Whether this is the price of ``model`` (``PROVIDER/MODEL``)."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def dollars(self, input: int, output: int) -> float:
        """What so many tokens cost."""
        return (input * self.input + output * self.output) / 1e6


class Spent(Record):
    """What one model behind an API was asked in one run, and what that cost.

    Attributes:
        target: the name that reports show.
        model: the API's name of it.
        calls: all calls made, those that failed among them.
        again: how many of them asked once more what a failed one had asked.
        lost: calls that ended without a reply whose tokens could be counted and that the API may
            charge for (time-outs, broken bodies); each counts as the most it can have used.
        input_tokens, output_tokens: as the replies say, and the most for those that are lost.
        dollars: None where the price is not known.
    """

    target: str
    model: str
    calls: int = 0
    again: int = 0
    lost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = None
