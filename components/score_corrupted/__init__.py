from components.score_corrupted.component import score_corrupted

__all__ = ["score_corrupted"]
