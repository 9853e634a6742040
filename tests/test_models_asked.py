"""How a local model is asked: a chat template of one's own, what it is told, texts that end an answer."""

from __future__ import annotations

import copy
import shutil

import pytest

pytest.importorskip("torch")

import tiny_models as tiny
from spillover.errors import ConfigError, MissingFileError, ModelError
from spillover.models.local import LocalTarget
from spillover.models.open import describe_target, open_target
from spillover.models.sampler import Reply
from spillover.records import Answer, Ask, LocalWhat, Message, Settings, TargetSpec, TargetWhere


def _ask(text: str = "what is it", **settings) -> Ask:
    return Ask(
        question="q",
        paraphrase=0,
        messages=(Message(role="user", content=text),),
        settings=Settings(**{"max_tokens": 8, **settings}),
    )


def _answer(target, ask: Ask) -> Answer:
    (found,) = target.ask([ask])
    return found


def _target(template: str = tiny.TEMPLATE, **more) -> LocalTarget:
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.chat_template = template
    spec = TargetSpec(name="t", what=LocalWhat(model="m"), where=TargetWhere(model="nowhere"))
    return LocalTarget(spec, tiny.model("llama"), tokenizer, **more)


# -- a chat template of one's own, and what it is told -----------------------------------------

SHOUTS = tiny.TEMPLATE.replace("m['content']", "m['content'] | upper")
THINKS = tiny.TEMPLATE.replace(
    "assistant\n{%", "assistant\n{% if enable_thinking is false %}<think></think>{% endif %}{%"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("local") / "base")


def _spec(folder, **more):
    return describe_target(str(folder), device="cpu", **more)


def test_a_template_of_ones_own_writes_the_prompt_and_is_part_of_the_identity(folder, tmp_path):
    file = tmp_path / "own.jinja"
    file.write_text(SHOUTS)
    spec = _spec(folder, chat_template=str(file), system="be kind")
    assert spec.id != _spec(folder, system="be kind").id
    moved = tmp_path / "moved.jinja"
    moved.write_text(SHOUTS)
    assert _spec(folder, chat_template=str(moved), system="be kind").id == spec.id
    target = open_target(spec)
    assert isinstance(target, LocalTarget)
    assert target.chat.text(_ask("go").messages) == (
        "<|im_start|>system\nBE KIND<|im_end|>\n<|im_start|>user\nGO<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    file.write_text(tiny.TEMPLATE)
    with pytest.raises(ModelError, match="has changed since"):
        open_target(spec)


def test_a_model_without_a_template_can_be_given_one(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "chat_template.jinja").rename(tmp_path / "given.jinja")
    with pytest.raises(ModelError, match="has no chat template"):
        _spec(bare)
    target = open_target(_spec(bare, chat_template=str(tmp_path / "given.jinja")))
    assert _answer(target, _ask()).missing is None


def test_a_template_is_told_by_name(folder, tmp_path):
    file = tmp_path / "thinks.jinja"
    file.write_text(THINKS)
    plain = open_target(_spec(folder, chat_template=str(file)))
    told = open_target(_spec(folder, chat_template=str(file),
                             template_args={"enable_thinking": False}))  # fmt: skip
    assert isinstance(plain, LocalTarget)
    assert isinstance(told, LocalTarget)
    assert plain.spec.id != told.spec.id
    messages = _ask("go").messages
    assert told.chat.text(messages) == plain.chat.text(messages) + "<think></think>"


@pytest.mark.parametrize(
    ("template", "args", "words"),
    [
        (tiny.TEMPLATE, {"enable_thinkin": False}, "does not read 'enable_thinkin'"),
        (tiny.TEMPLATE, {"tokenize": True}, "'tokenize' is nothing that a chat template can be"),
        ("{% for m in messages %}", {}, r"own\.jinja, line 1: not a chat template"),
        ("  \n", {}, r"own\.jinja is empty"),
        ("{{ raise_exception('no!') }}", {}, "refuses a conversation: no!"),
    ],
)
def test_templates_that_can_not_be_used(folder, tmp_path, template, args, words):
    file = tmp_path / "own.jinja"
    file.write_text(template)
    with pytest.raises((ModelError, ConfigError), match=words) as caught:
        open_target(_spec(folder, chat_template=str(file), template_args=args))
    assert "\n" not in str(caught.value)


def test_a_template_that_is_not_there(folder):
    with pytest.raises(MissingFileError, match=r"nix\.jinja"):
        _spec(folder, chat_template="nix.jinja")


# -- texts that end an answer ------------------------------------------------------------------


def test_an_answer_ends_before_a_stop():
    target = _target(logprobs=True)
    whole = _answer(target, _ask(temperature=0.0, max_tokens=30))
    stop = whole.text[5:7]
    place = whole.text.index(stop)
    cut = _answer(target, _ask(temperature=0.0, max_tokens=30, stop=("never said", stop)))
    assert (cut.text, cut.finish) == (whole.text[:place], "stop")
    assert 0 < cut.tokens < whole.tokens
    assert cut.logprobs is not None
    assert len(cut.logprobs) == cut.tokens
    same = _answer(target, _ask(temperature=0.0, max_tokens=30, stop=("never said",)))
    assert (same.text, same.tokens, same.finish) == (whole.text, whole.tokens, whole.finish)


def test_a_stop_is_not_looked_for_in_thoughts():
    target = _target(tiny.TEMPLATE + "{# <think> </think> #}")
    said = target.chat.encode("<think>hm. no</think>Yes. No")

    def answer(*stop):
        reply = Reply(0, said, (-1.0,) * len(said), "length", 0)
        return target._answer(_ask(stop=stop), reply, None)

    assert (answer(".").text, answer(".").reasoning, answer(".").finish) == (
        "Yes",
        "hm. no",
        "stop",
    )
    assert (answer("hm").text, answer("hm").finish) == ("Yes. No", "length")
    assert answer("Yes").text == ""


@pytest.mark.parametrize("stop", ["\n\n", "\n", " "])
def test_what_stands_between_thoughts_and_answer_is_no_place_for_a_stop(stop):
    target = _target(tiny.TEMPLATE + "{# <think> </think> #}")
    said = target.chat.encode("<think>hm. no</think>\n\n \nYes.\n\n Second")
    answer = target._answer(
        _ask(stop=(stop,)), Reply(0, said, (-1.0,) * len(said), "stop", 0), None
    )
    assert answer.text == ("Yes.\n\n" if stop == " " else "Yes.")
    assert (answer.reasoning, answer.finish) == ("hm. no", "stop")
