from components.promote_version.component import promote_version

__all__ = ["promote_version"]
