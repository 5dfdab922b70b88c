from components.close_round.component import close_round

__all__ = ["close_round"]
