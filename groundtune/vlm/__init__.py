"""Vision-language models: load, render prompts, generate, log-probs of answers that share a prefix.

Import from the modules: `checkpoints` needs no torch, and a stage that only checks files should not wait for it.
"""
