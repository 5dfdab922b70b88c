"""One HTML page a run: what went in, what was learned from, what came out, and whether it helped."""
