"""The stages around a round of retraining: what it begins with, what is decided, and how it ends (decision 0038)."""
