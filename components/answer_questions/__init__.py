from components.answer_questions.component import answer_questions

__all__ = ["answer_questions"]
