from components.close_run.component import close_run

__all__ = ["close_run"]
