"""probe_modality: does an answer depend on the image, or would the model have said it anyway? (MFPO's motivation)

The same questions, images and noise before and after training, so that two probes can be compared pair by pair.
"""
