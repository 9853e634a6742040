"""Fine-tuning: a recipe and its rows become an adapter with its recipe beside it."""

from spillover.train.finetune import train
from spillover.train.folder import load_finetune
from spillover.train.recipes import load_preset, make_recipe, preset_names

__all__ = ["load_finetune", "load_preset", "make_recipe", "preset_names", "train"]
