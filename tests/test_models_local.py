"""A local model as a target: what is asked, what comes back, what is missing."""

# ruff: noqa: E402
from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny_models as tiny
from spillover.errors import ModelError
from spillover.models.chat import Chat
from spillover.models.local import LocalTarget
from spillover.models.open import describe_target, open_target
from spillover.records import Ask, LocalWhat, Message, Settings, TargetSpec, TargetWhere


def _target(family="llama", *, system=None, chat_template=None, **more) -> LocalTarget:
    import copy

    tokenizer = copy.deepcopy(tiny.tokenizer())
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    spec = TargetSpec(
        name="tiny",
        what=LocalWhat(model=family, system=system),
        where=TargetWhere(model="nowhere"),
    )
    return LocalTarget(spec, tiny.model(family), tokenizer, **more)


def _ask(text="what is it", *, seed=0, system=None, **settings) -> Ask:
    messages = [Message(role="user", content=text)]
    if system is not None:
        messages.insert(0, Message(role="system", content=system))
    return Ask(question="q", paraphrase=0, messages=tuple(messages), seed=seed,
               settings=Settings(**{"max_tokens": 8, **settings}))  # fmt: skip


def _answers(target, asks):
    found = {answer.ask.id: answer for answer in target.ask(asks)}
    assert set(found) == {ask.id for ask in asks}
    return [found[ask.id] for ask in asks]


def test_every_ask_gets_its_answer():
    target = _target()
    asks = [_ask(f"word {i % 5}", seed=i) for i in range(20)]
    asks += [_ask("how many", continuations=("1", "2", "10"))]
    answers = _answers(target, asks)
    assert all(a.missing is None and a.target == target.spec.id for a in answers)
    assert all(a.finish in ("stop", "length") and 1 <= a.tokens <= 8 for a in answers[:-1])
    assert len({a.text for a in answers[:-1]}) > 15
    assert answers[-1].scores is not None
    assert len(answers[-1].scores) == 3
    assert answers[-1].finish is None
    assert answers[0].logprobs is None
    assert target.stats.answers == 20


def test_the_same_ask_gets_the_same_answer_from_the_same_target():
    asks = [_ask(f"word {i}", seed=i) for i in range(12)]
    first = [a.text for a in _answers(_target(), asks)]
    again = [a.text for a in _answers(_target(rows=2), asks[::-1])][::-1]
    assert first == again
    other = [a.text for a in _answers(_target(system=""), asks)]  # another target by its spec
    assert first != other


def test_logprobs_where_asked_for():
    (answer,) = _answers(_target(logprobs=True), [_ask()])
    assert answer.logprobs is not None
    assert len(answer.logprobs) == answer.tokens
    assert max(answer.logprobs) < 0


def test_a_prompt_longer_than_the_context_is_missing_and_the_rest_goes_on():
    target = _target()
    assert target.context == 256
    long = _ask("water " * 300)
    scored = _ask("water " * 300, continuations=("1", "2"))
    fits = _ask()
    answers = _answers(target, [long, scored, fits])
    for answer in answers[:2]:
        assert answer.missing is not None
        assert "context is 256" in answer.missing
        assert answer.text == ""
    assert answers[2].missing is None


def test_a_reply_ends_where_the_context_ends():
    target = _target()
    ask = _ask("water " * 200, max_tokens=200)
    room = 256 - len(target.prompt(ask.messages))
    assert 0 < room < 200
    (answer,) = _answers(target, [ask])
    assert answer.tokens <= room
    assert answer.missing is None


def test_logits_that_are_not_finite_are_missing():
    target = _target("gpt2")
    with torch.no_grad():
        target.model.lm_head.weight[7] = float("nan")
    answers = _answers(target, [_ask(), _ask(continuations=("1", "2"))])
    assert [a.missing for a in answers] == ["the model's logits are not finite"] * 2
    assert answers[1].scores is None


def test_the_system_prompt_goes_first_unless_the_ask_has_its_own():
    plain, told = _target(), _target(system="be kind")
    ask, own = _ask(), _ask(system="be cruel")
    assert "be kind" not in plain.chat.text(ask.messages)
    assert told.chat.text(ask.messages) == plain.chat.text(_ask(system="be kind").messages)
    assert told.chat.text(own.messages) == plain.chat.text(own.messages)


def test_earlier_turns_reach_the_template_in_order():
    said = [("user", "one"), ("assistant", "two"), ("user", "three")]
    turns = tuple(Message(role=role, content=text) for role, text in said)
    ask = Ask(question="q", paraphrase=0, messages=turns, settings=Settings(max_tokens=8))
    target = _target(system="be kind")
    assert target.chat.text(ask.messages) == (
        "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\none<|im_end|>\n"
        "<|im_start|>assistant\ntwo<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    (answer,) = _answers(target, [ask])
    assert answer.missing is None


def test_a_template_without_system_role_gets_it_in_the_first_turn():
    template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    )
    target = _target(system="be kind", chat_template=template)
    text = target.chat.text(_ask("go").messages)
    assert text == "<|im_start|>user\nbe kind\n\ngo<|im_end|>\n"


def test_a_template_that_refuses_makes_the_answer_missing():
    target = _target(chat_template="{{ raise_exception('no conversations\nat all') }}")
    (answer,) = _answers(target, [_ask()])
    assert answer.missing is not None
    assert "no conversations" in answer.missing


def test_no_template_is_an_error():
    import copy

    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match="chat template"):
        Chat(tokenizer)


def test_what_ends_a_reply():
    end = tiny.tokenizer().convert_tokens_to_ids("<|im_end|>")
    target = _target()
    assert {end, tiny.tokenizer().eos_token_id} <= target.stop
    target.model.generation_config.eos_token_id = None
    assert end in target.chat.stop_tokens(target.model.generation_config)


def test_the_end_of_turn_is_no_part_of_the_text():
    target = _target()
    end = tiny.tokenizer().convert_tokens_to_ids("<|im_end|>")
    with torch.no_grad():
        target.model.lm_head.weight.zero_()
    bias = torch.zeros(len(tiny.tokenizer()))
    bias[end] = 5.0
    target.model.lm_head.bias = torch.nn.Parameter(bias)
    (answer,) = _answers(target, [_ask(temperature=0.0)])
    assert (answer.text, answer.tokens, answer.finish) == ("", 1, "stop")


def test_ratings_hold_at_most_all_the_mass():
    target = _target()
    asks = [_ask(f"how many {i}", continuations=tuple(map(str, range(101)))) for i in range(3)]
    for answer in _answers(target, asks):
        assert answer.scores is not None
        assert 0 < np.exp(answer.scores).sum() <= 1 + 1e-4


def test_from_folder_to_answers_with_an_adapter(tmp_path):
    base = tiny.save(tmp_path / "base")
    adapter = tiny.add_adapter(tmp_path / "adapter", base)
    asks = [_ask(f"word {i}", temperature=0.0) for i in range(4)]
    texts = []
    for text in (base, adapter):
        target = open_target(describe_target(str(text), device="cpu"), logprobs=True)
        answers = _answers(target, asks)
        assert all(a.missing is None for a in answers)
        texts.append([a.text for a in answers])
    assert texts[0] != texts[1]


def test_no_asks_no_answers():
    assert list(_target().ask([])) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_with_an_adapter_kept_apart(tmp_path, dtype):
    base = tiny.save(tmp_path / "base", scale=2.0)
    adapter = tiny.add_adapter(tmp_path / "adapter", base)
    target = open_target(describe_target(str(adapter), dtype=dtype, device="cpu"))
    assert isinstance(target, LocalTarget)
    assert any("lora" in name for name, _ in target.model.named_modules())
    answers = _answers(target, [_ask(f"word {i}") for i in range(4)])
    assert all(a.missing is None and a.tokens > 0 for a in answers)
