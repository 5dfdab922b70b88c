"""Which of a detector's instances make up the region of a phrase."""

import torch
from torch import Tensor

# Beside a certain instance a doubtful one is more likely a look-alike than a second.
SHARE_OF_BEST = 0.5


def kept_instances(scores: Tensor, threshold: float) -> Tensor:
    """scores: [N] in [0, 1] -> bool [N]: those above both `threshold` and half the best score; with none above the
    threshold the best alone, so that a region always has a place and its score says what it is worth. (ours)
    """
    best = scores.max()
    least = torch.clamp(best * SHARE_OF_BEST, min=threshold)
    return scores >= torch.minimum(least, best)
