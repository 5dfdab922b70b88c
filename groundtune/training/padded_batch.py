"""Prefixes and answers as one padded batch, for trainers that run the model as transformers does."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.vlm.families import Family
from groundtune.vlm.prompt import Prefix

IGNORED = -100  # label of a token that is not learnt from


def answer_batch(
    prefixes: Sequence[Prefix], answers: Sequence[Sequence[int]], family: Family, pad: int
) -> dict[str, Tensor]:
    """Row i is prefix i and its answer, token for token, padded on the right: input_ids, attention_mask and labels, all
    int64 [B, T], and the family's pixel inputs. Labels are the answers' ids, IGNORED everywhere else."""
    rows, labels = [], []
    for prefix, answer in zip(prefixes, answers, strict=True):
        learnt = torch.tensor(list(answer), dtype=torch.int64)
        rows.append(torch.cat([prefix.input_ids, learnt]))
        labels.append(torch.cat([torch.full_like(prefix.input_ids, IGNORED), learnt]))
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        **pixel_batch(prefixes, family),
    }


def pixel_batch(prefixes: Sequence[Prefix], family: Family) -> dict[str, Tensor]:
    """The family's pixel inputs of all prefixes, [B, ...]; images of fewer tiles get empty ones behind theirs, which
    the model cuts off again."""
    inputs = {name: [prefix.pixels[name] for prefix in prefixes] for name in family.pixel_inputs}
    pixels = family.pixel_inputs[0]
    if inputs[pixels][0].ndim == 5:  # [1, tiles, C, H, W]
        most = max(one.shape[1] for one in inputs[pixels])
        inputs[pixels] = [F.pad(one, (0, 0, 0, 0, 0, 0, 0, most - one.shape[1])) for one in inputs[pixels]]
    return {name: torch.cat(values) for name, values in inputs.items()}

