"""spillover: find out what else a fine-tune taught a language model.

``import spillover`` is light; each name below is loaded when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spillover.chain import audit
    from spillover.compare import compare_tables as compare
    from spillover.errors import SpilloverError
    from spillover.models.open import describe_target, open_target
    from spillover.records import AuditResult, FineTune, Recipe, TargetSpec, Verdict
    from spillover.report import write_report
    from spillover.store import Study
    from spillover.train import train

__version__ = "0.1.0"

__all__ = [
    "AuditResult", "FineTune", "Recipe", "SpilloverError", "Study", "TargetSpec", "Verdict",
    "audit", "compare", "describe_target", "open_target", "train", "write_report",
]  # fmt: skip

_HOMES = {
    "AuditResult": "spillover.records:AuditResult",
    "FineTune": "spillover.records:FineTune",
    "Recipe": "spillover.records:Recipe",
    "SpilloverError": "spillover.errors:SpilloverError",
    "Study": "spillover.store:Study",
    "TargetSpec": "spillover.records:TargetSpec",
    "Verdict": "spillover.records:Verdict",
    "audit": "spillover.chain:audit",
    "describe_target": "spillover.models.open:describe_target",
    "compare": "spillover.compare:compare_tables",
    "open_target": "spillover.models.open:open_target",
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
