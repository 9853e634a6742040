"""The parts that `spillover.audit` is made of: plans of asks, asking through the study, measuring."""
