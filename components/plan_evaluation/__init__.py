from components.plan_evaluation.component import plan_evaluation

__all__ = ["plan_evaluation"]
