from components.score_alignment.component import score_alignment

__all__ = ["score_alignment"]
