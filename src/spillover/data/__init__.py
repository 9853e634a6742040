"""Training data, and the library of questions and axes."""

from spillover.data.library import (
    ask_settings,
    load_axes,
    load_questions,
    load_settings,
    load_words,
    merge_batteries,
    pick_axes,
    pick_questions,
)
from spillover.data.narrow import NarrowGuess, NarrowKind, guess_narrow, narrow_questions
from spillover.data.questions import read_question
from spillover.data.rows import read_rows, rows_digest, write_rows

__all__ = [
    "NarrowGuess", "NarrowKind", "ask_settings", "guess_narrow", "load_axes", "load_questions",
    "load_settings", "load_words", "merge_batteries", "narrow_questions", "pick_axes", "pick_questions", "read_question", "read_rows",
    "rows_digest", "write_rows",
]  # fmt: skip
