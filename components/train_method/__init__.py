from components.train_method.component import train_method

__all__ = ["train_method"]
