from components.score_answers.component import score_answers

__all__ = ["score_answers"]
