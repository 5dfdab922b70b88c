"""Evidence that a patch shows a phrase, in nats: comparable between checkpoints whatever their scale of cosines.

A contrastive model's logit is a log-likelihood ratio up to a constant that differs between checkpoints and between
patches. What the patch makes of many ordinary phrases estimates that constant: subtracting it leaves the logarithm of
how much likelier the phrase has become by looking at the patch. (ours)
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Evidence at which a phrase is as likely there as not. Both were set on the demo's `prompts` scenes: for patches with
# the demo's CLIP, which is trained on patches, for whole images with a twin of it that is not. An image shows several
# things that share its evidence, a patch one.
PATCH_PRIOR_NATS = 2.0
IMAGE_PRIOR_NATS = -0.5
# A patch belongs to the phrase down to this much less evidence than its best place; set on the same scenes.
MARGIN_NATS = 1.5


def evidence(logits: Tensor, references: Tensor) -> Tensor:
    """logits: [h, w] of one phrase; references: [h, w, R] of the reference phrases, same units. Returns [h, w], nats.

    The constant is half what the references score on the patch itself and half what they score anywhere in the image:
    the first alone finds every phrase on an empty wall, where nothing scores; the second alone cannot tell a patch that
    likes every text from one that shows the phrase. A whole image is a grid of one patch.
    """
    here = references.logsumexp(-1) - math.log(references.shape[-1])
    anywhere = references.flatten().logsumexp(0) - math.log(references.numel())
    return logits - (torch.logaddexp(here, anywhere) - math.log(2))


def best_place(nats: Tensor) -> Tensor:
    """The largest mean of two by two neighbouring patches, []: one patch alone is often chance. nats: [h, w]."""
    window = (min(2, nats.shape[0]), min(2, nats.shape[1]))
    return F.avg_pool2d(nats[None, None], window, stride=1).amax()


def presence(nats: Tensor, prior: float) -> Tensor:
    """[h, w] nats -> [] in [0, 1]: the phrase is somewhere in the image. prior: one of the two above."""
    return torch.sigmoid(best_place(nats) - prior)


def extent(nats: Tensor) -> Tensor:
    """[h, w] nats -> [h, w] in [0, 1]: the patch shows the phrase, given that the phrase is in the image."""
    return torch.sigmoid(nats - best_place(nats) + MARGIN_NATS)
