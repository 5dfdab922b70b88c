"""MFPO's image preferences: keywords of the chosen answer, their regions in the image, the corrupted image."""
