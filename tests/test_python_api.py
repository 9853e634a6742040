"""What `import spillover` offers: the names, the functions behind them, and all settings of an audit."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import spillover


def test_every_name_is_what_its_module_has() -> None:
    homes = spillover._HOMES  # type: ignore[attr-defined]
    assert sorted(spillover.__all__) == sorted(homes)
    for name, home in homes.items():
        module, _, attribute = home.partition(":")
        assert getattr(spillover, name) is getattr(import_module(module), attribute)


def test_a_module_of_the_same_name_does_not_take_the_functions_place() -> None:
    code = (
        "import spillover.audit, spillover.calibrate, spillover.compare, spillover.train\n"
        "from spillover.calibrate import run_calibrate\n"
        "names = ('audit', 'calibrate', 'compare', 'train')\n"
        "assert all(callable(getattr(spillover, name)) for name in names)\n"
        "assert spillover.run_calibrate is run_calibrate"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_record_has_every_setting_of_the_command() -> None:
    import typer

    from spillover.cli.app import app

    command = typer.main.get_command(app).commands["audit"]  # type: ignore[attr-defined]
    options = {one.name for one in command.params} - {"config", "json", "help"}
    fields = {"control": "controls", "template_arg": "template_args"}  # several of them
    wanted = {fields.get(name, name) for name in options}
    assert wanted <= set(spillover.AuditConfig.model_fields)
