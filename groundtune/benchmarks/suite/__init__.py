"""The benchmarks themselves, one a file: what is asked, how an answer is read, what is counted."""
