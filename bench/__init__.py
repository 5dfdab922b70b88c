"""Measurements. Each writes JSON with the machine's description to bench/results/; figures in the docs come from there."""
