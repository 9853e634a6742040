"""spillover: find out what else a fine-tune taught a language model."""

__version__ = "0.1.0"
