"""Benchmarks: what a model says about pictures, scored by published rules, with confidence intervals.

A further benchmark is one file in `suite/`: a subclass of `question.Benchmark`, its line in `registry`, and the name
under which it is distributed in `discovery`.
"""
