"""preflight: what can be checked in seconds, before GPU hours are spent."""

from groundtune.preflight.inputs import Inputs, run

__all__ = ["Inputs", "run"]
