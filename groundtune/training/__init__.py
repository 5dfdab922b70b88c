"""From pairs to a LoRA adapter: objective, reference, trainer."""
