"""The objective, as small pure functions of log-probs. All tensors float32, log-probs in nats, results [B]."""

import torch
import torch.nn.functional as F
from torch import Tensor


def reward(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """r(y) = beta * (log pi(y|x,m) - log pi_ref(y|x,m)). policy, reference: [B] summed over the answer's tokens."""
    return beta * (policy - reference)


def text_term(chosen: Tensor, rejected: Tensor) -> Tensor:
    """DPO eq. 7, MFPO L_text: -log sigma(r(y_w) - r(y_l)). chosen, rejected: [B] rewards."""
    return -F.logsigmoid(chosen - rejected)


def image_term(chosen: Tensor, corrupted: Tensor) -> Tensor:
    """MFPO L_image: -log sigma(r(y_w|m) - r(y_w|m')). The chosen answer must gain more under the image than under its
    corrupted copy m'. chosen, corrupted: [B] rewards of y_w given m and m'."""
    return -F.logsigmoid(chosen - corrupted)


def margin_term(chosen: Tensor, eta: float) -> Tensor:
    """MFPO L_margin, the anchor: -log sigma(r(y_w) - eta). Keeps the chosen answer from sinking together with the
    rejected one (likelihood displacement). chosen: [B] rewards."""
    return -F.logsigmoid(chosen - eta)


def token_kl(policy: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(reference || policy) a token, on tokens that the reference sampled: mean of (x - 1) - log x with
    x = pi/ref; never negative. Biased by selection: pairs are not a random draw of the pool. policy, reference: [T].
    """
    ratio = policy - reference
    return (torch.expm1(ratio) - ratio).mean()
