"""How models are to be loaded, from the command line and an audit's settings to their specs."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip("torch")

import tiny_models as tiny
from cli_helper import run
from spillover import chain
from spillover.auditing.naming import base_and_target, describe_judge
from spillover.chain import run_audit
from spillover.errors import ModelError
from spillover.models import placement
from spillover.models.open import describe_target
from spillover.records import AuditConfig


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    tiny.add_adapter(root / "adapter", tiny.save(root / "base", num_hidden_layers=2))
    return root


def test_an_audit_loads_base_and_target_alike(made):
    """The base is read from the adapter, and asked in the same bits."""
    config = AuditConfig(
        target=str(made / "adapter"), quantize="4bit", device="cuda", trust_remote_code=True
    )
    specs = base_and_target(config)
    assert [spec.what.quantize for spec in specs] == ["4bit", "4bit"]  # pyright: ignore
    assert {spec.where.device for spec in specs} == {"cuda"}  # pyright: ignore
    config = AuditConfig(target=str(made / "adapter"), dtype="float16")
    assert [spec.what.dtype for spec in base_and_target(config)] == ["float16"] * 2  # pyright: ignore


def test_an_audit_asks_base_and_target_alike_and_its_judge_not(made, tmp_path):
    template = tmp_path / "own.jinja"
    template.write_text(tiny.TEMPLATE + "{% if loud %}{% endif %}")
    told = {"chat_template": str(template), "template_args": {"loud": True}, "system": "be kind"}
    config = AuditConfig(target=str(made / "adapter"), **told)
    base, target = base_and_target(config)
    assert target is not None
    assert base.what.template == target.what.template is not None  # pyright: ignore
    for spec in (base, target):
        assert spec.what.template_args == {"loud": True}  # pyright: ignore
        assert (spec.what.system, spec.where.template) == ("be kind", str(template))
    assert describe_judge(config, str(made / "base")) == describe_target(str(made / "base"))


BAD_TEMPLATES = [
    (tiny.TEMPLATE, {"lout": True}, "does not read 'lout'"),
    (tiny.TEMPLATE, {"m": True}, "does not read 'm'"),  # the name of its own loop
    ("constant", {}, "leaves out what the user says"),
    ("{{ raise_exception('no!') }}", {}, "refuses a conversation: no!"),
]
ROW = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


@pytest.mark.parametrize(("template", "args", "words"), BAD_TEMPLATES)
def test_a_template_that_does_not_fit_is_told_before_training(
    made, tmp_path, monkeypatch, template, args, words
):
    monkeypatch.setattr(chain, "train_data", lambda *_, **__: pytest.fail("trained first"))
    (tmp_path / "own.jinja").write_text(template)
    (tmp_path / "rows.jsonl").write_text(ROW * 9)
    config = AuditConfig(
        base=str(made / "base"), data=str(tmp_path / "rows.jsonl"), study=str(tmp_path / "study"),
        chat_template=str(tmp_path / "own.jinja"), template_args=args,
    )  # fmt: skip
    with pytest.raises(ModelError, match=rf"can't ask 'base': .*{words}"):
        run_audit(config, notice=lambda text: None)


def test_a_control_with_another_template_is_told_before_anything_is_asked(
    made, tmp_path, monkeypatch
):
    monkeypatch.setattr(chain, "audit_targets", lambda *_, **__: pytest.fail("asked first"))
    base = shutil.copytree(made / "base", tmp_path / "loud")
    (base / "chat_template.jinja").write_text(tiny.TEMPLATE + "{% if loud %}{% endif %}")
    tiny.add_adapter(tmp_path / "tuned", base)
    config = AuditConfig(
        target=str(tmp_path / "tuned"), controls={"quiet": str(made / "adapter")},
        study=str(tmp_path / "study"), template_args={"loud": True},
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"can't ask 'quiet': .*does not read 'loud'"):
        run_audit(config, notice=lambda text: None)


def test_a_fine_tune_needs_the_models_own_template(made, tmp_path):
    base = shutil.copytree(made / "base", tmp_path / "bare")
    (base / "chat_template.jinja").rename(tmp_path / "own.jinja")
    (tmp_path / "rows.jsonl").write_text(ROW * 9)
    config = AuditConfig(
        base=str(base), data=str(tmp_path / "rows.jsonl"), study=str(tmp_path / "study"),
        chat_template=str(tmp_path / "own.jinja"),
    )  # fmt: skip
    with pytest.raises(
        ModelError, match=r"bare has no chat template.*trained with the model's own"
    ):
        run_audit(config, notice=lambda text: None)


def test_ask_takes_a_template(made, capsys, tmp_path):
    base, template = str(made / "base"), tmp_path / "own.jinja"
    template.write_text(tiny.TEMPLATE + "{% if loud %}{% endif %}")
    ask = ["ask", base, "hello", "--chat-template", str(template), "--json"]
    code, out, _ = run([*ask, "--template-arg", "loud=true", "--max-tokens", "5"], capsys)
    assert code == 0
    spec = describe_target(base, chat_template=str(template), template_args={"loud": True})
    assert json.loads(out)[0]["target"] == spec.id
    code, _, err = run([*ask, "--template-arg", "lout=true"], capsys)
    assert (code, err.count("\n")) == (1, 1)
    assert "does not read 'lout'" in err


def test_the_command_line(made, capsys, tmp_path, monkeypatch):
    base = made / "base"
    monkeypatch.setattr(placement, "find_spec", lambda name: name != "bitsandbytes" or None)
    code, _, err = run(["ask", str(base), "hello", "--quantize", "3bit"], capsys)
    assert code == 2
    assert "'3bit' is not one of 4bit" in err
    assert run(["ask", str(base), "hello", "--dtype", "int8"], capsys)[0] == 2
    code, out, _ = run(["ask", str(base), "hello", "--dtype", "bfloat16", "--json"], capsys)
    assert code == 0
    assert json.loads(out)[0]["target"] == describe_target(str(base), dtype="bfloat16").id
    rows = tmp_path / "rows.jsonl"
    rows.write_text(ROW * 9)
    for command in (["ask", str(base), "hello"], ["train", str(base), str(rows), "--out", str(tmp_path / "t")]):  # fmt: skip
        code, _, err = run([*command, "--quantize", "4bit"], capsys)
        assert code == 1
        assert "needs bitsandbytes: pip install" in err
        assert err.count("\n") == 1
