"""The objective, as small pure functions of log-probs. All tensors float32, log-probs in nats, results [B]."""

import torch
import torch.nn.functional as F
from torch import Tensor


def reward(log_ratio: Tensor, beta: float) -> Tensor:
    """r(y) = beta * log(pi(y|x,m) / pi_ref(y|x,m)). log_ratio: [B], summed over the answer's tokens; a sum of the
    tokens' differences loses fewer digits than a difference of long sums."""
    return beta * log_ratio


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


def adaptive_weight(margin: Tensor, power: float) -> Tensor:
    """(2 sigma(-m))^g, ours: 1 for a pair that the policy cannot tell apart yet, towards 0 for one that it has learnt,
    up to 2^g for one that it orders wrongly. A constant to the gradient. margin: [B], m = r(y_w) - r(y_l)."""
    return (2 * torch.sigmoid(-margin.detach())) ** power


def token_kl(log_ratio: Tensor) -> Tensor:
    """Estimate of KL(reference || policy) a token, on tokens that the reference sampled: mean of (x - 1) - log x with
    x = pi/ref; never negative. Biased by selection: pairs are not a random draw of the pool. log_ratio: [T], log x.
    """
    return (torch.expm1(log_ratio) - log_ratio).mean()
