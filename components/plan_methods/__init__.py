from components.plan_methods.component import plan_methods

__all__ = ["plan_methods"]
