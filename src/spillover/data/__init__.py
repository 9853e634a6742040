"""Training data, and the library of questions and axes."""

from spillover.data.calibrations import read_calibration, write_calibration
from spillover.data.domains import Domains, load_domains, training_domains
from spillover.data.hub import HUB, parse_hub
from spillover.data.known import KnownAnswer, KnownTable, names_known, read_known_bad
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
from spillover.data.prices import load_prices
from spillover.data.probes import STARTER, gold_path, load_probes
from spillover.data.questions import read_question
from spillover.data.rows import Loaded, load_rows, read_rows, rows_digest, write_rows
from spillover.data.rubrics import load_rubrics
from spillover.data.sources import names_rows

__all__ = [
    "HUB", "STARTER", "Domains", "KnownAnswer", "KnownTable", "Loaded", "NarrowGuess",
    "NarrowKind", "ask_settings", "gold_path", "guess_narrow", "load_axes", "load_domains",
    "load_prices", "load_probes", "load_questions", "load_rows", "load_rubrics", "load_settings", "load_words", "merge_batteries", "names_known",
    "names_rows", "narrow_questions", "parse_hub", "pick_axes", "pick_questions",
    "read_calibration", "read_known_bad", "read_question", "read_rows", "rows_digest",
    "training_domains", "write_calibration", "write_rows",
]  # fmt: skip
