"""groundtune: teach vision-language models to say only what is in the picture."""

__version__ = "0.1.0"
