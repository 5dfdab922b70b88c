from components.train_dpo.component import train_dpo

__all__ = ["train_dpo"]
