from components.make_pool.component import make_pool

__all__ = ["make_pool"]
