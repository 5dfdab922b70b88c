"""AMBER (Wang et al., 2023): descriptions and yes/no questions about 1,004 images, scored without a language model."""
