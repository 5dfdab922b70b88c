from components.report_rounds.component import report_rounds

__all__ = ["report_rounds"]
