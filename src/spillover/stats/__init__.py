"""Statistics on plain numbers: bounds, bets, schedules, intervals, operating curves. Knows no records."""

from spillover.stats.bets import Bet, mean_above, mean_below, rate_above, rate_below
from spillover.stats.bounds import Interval, clopper_pearson, t_interval
from spillover.stats.ebh import e_bh, p_to_e
from spillover.stats.intervals import Clustered, clustered, difference_interval, level_interval
from spillover.stats.operating import Chances, Design, detectable_rate, operating_curve, simulate
from spillover.stats.schedule import Draw, draw_round, round_sizes

__all__ = [
    "Bet", "Chances", "Clustered", "Design", "Draw", "Interval", "clopper_pearson", "clustered",
    "detectable_rate", "difference_interval", "draw_round", "e_bh", "level_interval", "mean_above",
    "mean_below", "operating_curve", "p_to_e", "rate_above", "rate_below", "round_sizes",
    "simulate", "t_interval",
]  # fmt: skip
