from components.prefer_images.component import prefer_images

__all__ = ["prefer_images"]
