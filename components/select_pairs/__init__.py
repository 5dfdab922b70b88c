from components.select_pairs.component import select_pairs

__all__ = ["select_pairs"]
