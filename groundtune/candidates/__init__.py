"""From prompts to scored pools: sampling, alignment with the image, confidence of the model."""
