"""From judgements to verdicts: rules, sequential tests, effects, and answer tables."""

from spillover.compare.agreement import GRID, Scored, ScoredPair, agree
from spillover.compare.anew import Reread, calibrate_anew, check_labels
from spillover.compare.calibrated import (
    JudgeBounds,
    calibration_note,
    check_judge,
    judge_bounds,
    judge_fault,
    with_corrected,
)
from spillover.compare.cascaded import called_fault, count_cascade, with_missed
from spillover.compare.effects import (
    apply_ebh,
    axis_result,
    event_result,
    not_measured,
    rating_result,
    withdrawn,
)
from spillover.compare.gold import calibrate, draw_gold
from spillover.compare.goldfile import GoldRow, read_gold, write_gold
from spillover.compare.headline import headline
from spillover.compare.outcomes import Outcome, enter_all, enter_round, open_test, run_exact
from spillover.compare.powered import with_powered
from spillover.compare.probed import ProbedJudge, flipped, probe_result
from spillover.compare.rules import (
    DEFAULT_RULE,
    PUBLISHED_RULES,
    ScoreRule,
    bin_by_label,
    bin_by_scores,
)
from spillover.compare.sequence import EventTest, ExactResult, PairedTest, exact_test
from spillover.compare.shown import rule_rate
from spillover.compare.spikes import Resampled, measures_events, resample_audits
from spillover.compare.tables import compare_tables

__all__ = [
    "DEFAULT_RULE", "GRID", "PUBLISHED_RULES", "EventTest", "ExactResult", "GoldRow",
    "JudgeBounds", "Outcome", "PairedTest", "ProbedJudge", "Reread", "Resampled", "ScoreRule",
    "Scored", "ScoredPair", "agree", "apply_ebh", "axis_result", "bin_by_label",
    "bin_by_scores", "calibrate", "calibrate_anew", "calibration_note", "called_fault", "check_judge",
    "check_labels", "compare_tables", "count_cascade", "draw_gold", "enter_all", "enter_round",
    "event_result", "exact_test", "flipped", "headline", "judge_bounds", "judge_fault", "measures_events",
    "not_measured", "open_test", "probe_result", "rating_result", "read_gold",
    "resample_audits", "rule_rate", "run_exact", "with_corrected", "with_missed", "with_powered",
    "withdrawn",
    "write_gold",
]  # fmt: skip
