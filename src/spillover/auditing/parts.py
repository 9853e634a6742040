"""One target of an audit, and all that is found out about it on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from spillover.auditing.measure import Reading
from spillover.compare import Outcome
from spillover.records import FineTune, Role, TargetSpec
from spillover.selfreport import Claim


@dataclass
class Part:
    """A target, base or control of one audit.

    Attributes:
        readings: by axis id.
        fixed: for controls: outcomes of the fixed sample that stands where the base's stood,
            by axis id, where one was drawn.
        claims: what it says of itself, by id of the rating axis; only for axes whose scale could
            be checked with described persons.
    """

    role: Role
    spec: TargetSpec
    finetune: FineTune | None = None
    readings: dict[str, Reading] = field(default_factory=dict[str, Reading])
    fixed: dict[str, list[Outcome]] = field(default_factory=dict[str, list[Outcome]])
    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])

    @property
    def name(self) -> str:
        """The name that reports show."""
        return self.spec.name
