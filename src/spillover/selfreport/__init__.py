"""What a target says of itself: ratings on both scales, and the claim held against conduct."""

from spillover.selfreport.claims import (
    Claim,
    claim_is_bad,
    conduct_claim,
    conduct_is_bad,
    read_claim,
)
from spillover.selfreport.leaks import LeakCheck, leak_check
from spillover.selfreport.orders import (
    follows_order,
    in_both_orders,
    pair_of,
    read_orders,
    shown_in_one_order,
)
from spillover.selfreport.scales import (
    ANCHOR_POINTS,
    GATE_POINTS,
    HIGHER,
    Gate,
    Rated,
    Scale,
    anchoring,
    balanced,
    collapsed,
    gate,
    read_scale,
    read_scales,
)

__all__ = [
    "ANCHOR_POINTS", "GATE_POINTS", "HIGHER", "Claim", "Gate", "LeakCheck", "Rated", "Scale",
    "anchoring", "balanced", "claim_is_bad", "collapsed", "conduct_claim", "conduct_is_bad",
    "follows_order", "gate", "in_both_orders", "leak_check", "pair_of", "read_claim", "read_orders",
    "read_scale", "read_scales", "shown_in_one_order",
]  # fmt: skip
