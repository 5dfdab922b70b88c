from components.open_round.component import open_round

__all__ = ["open_round"]
