"""MAS, the multimodal alignment score: does the answer fit the picture? (M3PO step 2; the scorers are ours.)"""
