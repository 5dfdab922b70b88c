from components.plan_pools.component import plan_pools

__all__ = ["plan_pools"]
