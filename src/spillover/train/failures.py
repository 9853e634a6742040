"""What training libraries raise, in one line with the fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spillover.errors import ConfigError, ModelError, SpilloverError, first_line
from spillover.records import Recipe


class Diverged(Exception):
    """The loss is no number any more."""


def diverged(recipe: Recipe, step: int) -> str:
    """Return the line for a loss that is no number."""
    return (
        f"recipe {recipe.name!r}: the loss became infinite or not a number by step {step}: lower "
        f"learning_rate (now {recipe.what.optimiser.learning_rate:g}) or look at the data"
    )


@contextmanager
def explained(recipe: Recipe) -> Iterator[None]:
    """Turn what training libraries raise into one line with the fix."""
    optimiser = recipe.what.optimiser
    try:
        yield
    except SpilloverError:
        raise
    except Diverged as error:
        raise ModelError(diverged(recipe, error.args[0])) from None
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(_too_large(recipe)) from error
    except ValueError as error:
        if "target modules" in str(error).lower() or "target_modules" in str(error):
            raise ConfigError(
                f"recipe {recipe.name!r}: the base has no modules {', '.join(recipe.what.lora.modules)}"
                " to adapt: take all-linear"
            ) from None
        raise ModelError(f"recipe {recipe.name!r}: {first_line(error)}") from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "out of memory" in str(error):
            raise ModelError(_too_large(recipe)) from error
        raise ModelError(
            f"recipe {recipe.name!r} (batch_size {optimiser.batch_size}): {first_line(error)}"
        ) from error


def _too_large(recipe: Recipe) -> str:
    optimiser = recipe.what.optimiser
    fewer = "" if optimiser.quantize else ", or take fewer bits (dtype bfloat16, the preset qlora)"
    return (
        f"recipe {recipe.name!r}: out of memory: lower batch_size (now {optimiser.batch_size}) and "
        f"raise accumulation (now {optimiser.accumulation}) by as much, or lower max_length "
        f"(now {optimiser.max_length}){fewer}"
    )
