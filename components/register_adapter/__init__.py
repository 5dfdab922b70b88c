from components.register_adapter.component import register_adapter

__all__ = ["register_adapter"]
