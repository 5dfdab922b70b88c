from components.rollback_version.component import rollback_version

__all__ = ["rollback_version"]
