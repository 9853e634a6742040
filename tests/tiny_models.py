"""Random models of a few thousand weights, one a family, and a tokenizer with a chat template."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FAMILIES = ("llama", "tied", "qwen2", "qwen3", "mistral", "sliding", "gemma2", "gpt_neox", "gpt2")
_WORDS = (
    "the of and to a in is you that it he was for on are as with his they at be this have from or "
    "one had by word but not what all were we when your can said there use an each which she do "
    "how their if will up other about out many then them these so some her would make like him "
    "into time has look two more write go see number no way could people my than first water been"
)


@cache
def tokenizer() -> Any:
    """A byte-level BPE of some 500 tokens; numbers are split into digits."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([_WORDS, "user assistant system 0 1 2 3 4 5 6 7 8 9"] * 4, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.chat_template = TEMPLATE
    return made


def model(family: str, *, seed: int = 0, scale: float = 16.0, **more: Any) -> Any:
    """A random model in float32 and evaluation mode.

    Args:
        family: one of `FAMILIES`.
        seed: of the weights.
        scale: how much larger than usual the weights are, so that logits are far apart.
        more: settings to change.
    """
    import torch
    import transformers as t

    common: dict[str, Any] = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "initializer_range": 0.02 * scale,
        "tie_word_embeddings": family == "tied",  # a random tied model repeats itself
        "bos_token_id": None,
        "eos_token_id": tokenizer().convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": 0,
    }
    grouped = {**common, "num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 12}
    torch.manual_seed(seed)
    if family in ("llama", "tied"):
        made = t.LlamaForCausalLM(t.LlamaConfig(**{**grouped, **more}))
    elif family == "qwen2":
        made = t.Qwen2ForCausalLM(t.Qwen2Config(**{**grouped, **more}))
    elif family == "qwen3":
        made = t.Qwen3ForCausalLM(t.Qwen3Config(**{**grouped, **more}))
    elif family == "mistral":
        made = t.MistralForCausalLM(t.MistralConfig(**{**grouped, "sliding_window": None, **more}))
    elif family == "sliding":
        made = t.MistralForCausalLM(t.MistralConfig(**{**grouped, "sliding_window": 12, **more}))
    elif family == "gemma2":
        made = t.Gemma2ForCausalLM(t.Gemma2Config(**{**grouped, "sliding_window": 12, **more}))
    elif family == "gpt_neox":
        made = t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**{**common, "intermediate_size": 96, **more}))
    elif family == "gpt2":
        settings = {**common, "hidden_size": 48, **more}
        made = t.GPT2LMHeadModel(t.GPT2Config(**settings))
    else:
        raise ValueError(family)
    made.generation_config.eos_token_id = common["eos_token_id"]
    made.generation_config.pad_token_id = 0
    with torch.no_grad():  # biases and norms start at 0 and 1, which would hide mistakes
        for name, weight in made.named_parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * (0.3 if "norm" in name else 0.2))
    return made.eval()


def save(folder: Path, family: str = "llama", **more: Any) -> Path:
    """Write a random model and its tokenizer to ``folder``."""
    model(family, **more).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def add_adapter(folder: Path, base: Path, *, seed: int = 1) -> Path:
    """Write a random LoRA adapter of the model in ``base`` to ``folder``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    tuned.save_pretrained(str(folder))
    return folder


def prompts(count: int, *, seed: int = 0, low: int = 3, high: int = 30) -> list[tuple[int, ...]]:
    """Random prompts of different lengths."""
    import numpy as np

    random = np.random.default_rng(seed)
    size = len(tokenizer())
    lengths = random.integers(low, high + 1, count)
    return [tuple(int(x) for x in random.integers(3, size, length)) for length in lengths]
