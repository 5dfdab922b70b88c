from components.decide_promotion.component import decide_promotion

__all__ = ["decide_promotion"]
