from components.report_evaluation.component import report_evaluation

__all__ = ["report_evaluation"]
