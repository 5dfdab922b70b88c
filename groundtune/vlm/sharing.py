"""Decide by trial, not by a list of names, whether a model may run branches packed behind one prefix."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import encode_prefix

log = logging.getLogger(__name__)
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}  # mean difference, nats (ours)
PROBE_LENGTHS = (3, 1, 5)


@torch.no_grad()
def shares_exactly(vlm: Vlm, packed: Callable[..., Any], plain: Callable[..., Any]) -> bool:
    """Do `packed` and `plain` (branches.py) agree on three random branches behind a random image? Logs a
    reason if not.
    """
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    prefix = encode_prefix(vlm, "probe", "What is in the image?", image)
    top = min(len(vlm.tokenizer), vlm.config.get_text_config().vocab_size)
    words = [token for token in range(top) if token not in vlm.tokenizer.all_special_ids]
    words = [token for token in words if token != vlm.config.image_token_id]
    branches = [random.choice(words, length).tolist() for length in PROBE_LENGTHS]
    with evaluating(vlm.model):
        expected = torch.cat(plain(vlm, [prefix], [branches])[0])
        try:
            found = torch.cat(packed(vlm, [prefix], [branches])[0])
        except torch.OutOfMemoryError:
            raise
        except (ValueError, TypeError, RuntimeError) as error:
            log.warning("branches of one prefix cannot run packed (%s): one pass an answer instead", error)
            return False
    difference = _distance(found, expected)
    if difference > TOLERANCE.get(vlm.dtype, 1e-3):
        log.warning(
            "branches packed behind one prefix differ by %.2g nats: one pass an answer instead", difference
        )
        return False
    return True


def _distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().mean())


@contextmanager
def evaluating(*models: torch.nn.Module) -> Iterator[None]:
    """Eval mode for a while: dropout would make equal computations differ."""
    training = [module for model in models for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
