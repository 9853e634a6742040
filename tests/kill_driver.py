"""An audit over scripted targets, to be run in a process of its own and killed."""

from __future__ import annotations

import sys
from pathlib import Path

from audit_world import instrument
from spillover.audit import audit
from spillover.models.scripted import ScriptedTarget, describe_script


def main(folder: Path, study: Path, log: Path) -> None:
    """Audit ``subject`` against ``base`` and ``control``; each ask is written to ``log``."""
    subject, base, control = (
        describe_script(folder / f"{name}.yaml") for name in ("subject", "base", "control")
    )
    audit(
        subject,
        base=base,
        controls=[control],
        instrument=instrument(at_least=150, cap=400),
        study=study,
        open=lambda spec: ScriptedTarget(spec, log),
    )


def alone(folder: Path, study: Path, log: Path) -> None:
    """Do so in a process that has nothing else to do."""
    main(folder, study, log)
    if "torch" in sys.modules:
        raise SystemExit("a scripted audit must not load torch")
