"""Benchmarks: what a model says about pictures, scored by published rules, with confidence intervals.

A further benchmark is one file: a subclass of `question.Benchmark` and its line in `registry`.
"""
