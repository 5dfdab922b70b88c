"""A reward model for the baseline RM-DPO: a head on the base model's hidden states, learnt from MAS-labelled pairs."""
