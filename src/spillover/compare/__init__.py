"""From judgements to verdicts: rules, sequential tests, effects, and answer tables."""

from spillover.compare.effects import (
    apply_ebh,
    axis_result,
    event_result,
    not_measured,
    rating_result,
)
from spillover.compare.headline import headline
from spillover.compare.outcomes import Outcome, enter_all, enter_round, open_test, run_exact
from spillover.compare.rules import (
    DEFAULT_RULE,
    PUBLISHED_RULES,
    ScoreRule,
    bin_by_label,
    bin_by_scores,
)
from spillover.compare.sequence import EventTest, ExactResult, PairedTest, exact_test
from spillover.compare.spikes import Resampled, measures_events, resample_audits
from spillover.compare.tables import compare_tables

__all__ = [
    "DEFAULT_RULE", "PUBLISHED_RULES", "EventTest", "ExactResult", "Outcome", "PairedTest",
    "Resampled", "ScoreRule", "apply_ebh", "axis_result", "bin_by_label", "bin_by_scores", "compare_tables", "enter_all",
    "enter_round", "event_result", "exact_test", "headline", "measures_events", "not_measured", "open_test",
    "rating_result", "resample_audits", "run_exact",
]  # fmt: skip
