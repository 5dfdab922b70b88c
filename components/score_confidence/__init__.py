from components.score_confidence.component import score_confidence

__all__ = ["score_confidence"]
