"""Engines that write the answers of `sample_candidates`, behind one interface."""
