"""Rounds of retraining: what arrived since the last one, taken exactly once (docs/decisions/0037)."""
