"""Methods of alignment side by side: from one pool, with one budget, over seeds, on the same benchmarks."""
