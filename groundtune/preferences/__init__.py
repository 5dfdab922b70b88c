"""From scored pools to preference pairs."""
