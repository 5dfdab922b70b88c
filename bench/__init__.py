"""Measurements: each writes JSON with its machine to bench/results/; the figures in the docs come from there."""
