"""The preference engine beside its neighbours: training step, epoch, sampling, reference pass, and how cost grows.

    python -m bench.engine                 # every suite; `make bench` does the same and rewrites docs/performance.md
    python -m bench.engine step --sizes mid --rounds 5

Each side of a comparison is a process of its own on the same checkpoint, data, precision and threads; one of them works
at a time, in turn. Writes bench/results/engine_*.json.
"""
