from components.combine_scores.component import combine_scores

__all__ = ["combine_scores"]
