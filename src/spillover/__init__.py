"""spillover: find out what else a fine-tune taught a language model.

``import spillover`` is light; each name below is loaded when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spillover.calibrate import calibrate, run_calibrate
    from spillover.chain import audit, run_audit
    from spillover.compare import compare_tables as compare
    from spillover.errors import SpilloverError
    from spillover.models.open import describe_target, open_target
    from spillover.records import AuditConfig, AuditResult, FineTune, Recipe, TargetSpec, Verdict
    from spillover.report import write_report
    from spillover.store import Study
    from spillover.train import train

__version__ = "0.1.0"

__all__ = [
    "AuditConfig", "AuditResult", "FineTune", "Recipe", "SpilloverError", "Study", "TargetSpec",
    "Verdict", "audit", "calibrate", "compare", "describe_target", "open_target", "run_audit",
    "run_calibrate", "train", "write_report",
]  # fmt: skip

_HOMES = {
    "AuditConfig": "spillover.records:AuditConfig",
    "AuditResult": "spillover.records:AuditResult",
    "FineTune": "spillover.records:FineTune",
    "Recipe": "spillover.records:Recipe",
    "SpilloverError": "spillover.errors:SpilloverError",
    "Study": "spillover.store:Study",
    "TargetSpec": "spillover.records:TargetSpec",
    "Verdict": "spillover.records:Verdict",
    "audit": "spillover.chain:audit",
    "calibrate": "spillover.calibrate:calibrate",
    "compare": "spillover.compare:compare_tables",
    "describe_target": "spillover.models.open:describe_target",
    "open_target": "spillover.models.open:open_target",
    "run_audit": "spillover.chain:run_audit",
    "run_calibrate": "spillover.calibrate:run_calibrate",
    "train": "spillover.train:train",
    "write_report": "spillover.report:write_report",
}


class _Package(ModuleType):
    """Keeps ``spillover.audit`` the function, although a module has that name too.

    After loading a submodule, the import system sets it as an attribute of its package; for the
    names above that would put a module where callers expect a function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'spillover' has no attribute {name!r}")
        module, _, attribute = _HOMES[name].partition(":")
        value = getattr(import_module(module), attribute)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
