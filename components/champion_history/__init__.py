from components.champion_history.component import champion_history

__all__ = ["champion_history"]
