from components.join_seed.component import join_seed

__all__ = ["join_seed"]
