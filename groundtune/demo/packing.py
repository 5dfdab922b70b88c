"""One picture, many questions: branches that share the picture's prefix and do not see each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100


@dataclass(frozen=True)
class Turn:
    """A question and its answer; captions and short answers are averaged apart."""

    question: str
    answer: str
    is_caption: bool


@dataclass
class PackedBatch:
    """ids, labels, positions [B, T] int64; in_caption [B, T] bool; visible [B, 1, T, T] bool.

    labels are aligned with the position that predicts them."""

    ids: torch.Tensor
    labels: torch.Tensor
    in_caption: torch.Tensor
    positions: torch.Tensor
    visible: torch.Tensor


def prompt_text(question: str) -> str:
    """The prompt of LLaVA-1.5, which the processor's chat template also gives."""
    return f"USER: <image>\n{question} ASSISTANT:"


def pack(turns: Sequence[Sequence[Turn]], tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> PackedBatch:
    """Each row is `prefix | question answer | question answer | ...`, with positions restarting after the prefix."""
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    flat = [turn for row in turns for turn in row]
    prompts = tokenizer([prompt_text(turn.question) for turn in flat]).input_ids
    wholes = tokenizer([f"{prompt_text(turn.question)} {turn.answer}{tokenizer.eos_token}" for turn in flat]).input_ids
    start = prompts[0].index(image_id) + 2  # the prefix ends with the line break after the image
    before = prompts[0][: start - 2]
    prefix = [*before, *[image_id] * image_tokens, prompts[0][start - 1]]
    rows: list[tuple[list[int], ...]] = []
    index = 0
    for row in turns:
        ids, branch, positions = list(prefix), [0] * len(prefix), list(range(len(prefix)))
        labels, in_caption = [IGNORED] * len(prefix), [0] * len(prefix)
        for number, turn in enumerate(row, start=1):
            whole, asked = wholes[index][start:], len(prompts[index]) - start
            index += 1
            ids += whole
            branch += [number] * len(whole)
            positions += range(len(prefix), len(prefix) + len(whole))
            # Position asked - 1 predicts the first token of the answer.
            labels += [IGNORED] * (asked - 1) + whole[asked:] + [IGNORED]
            in_caption += [int(turn.is_caption)] * len(whole)
        rows.append((ids, labels, in_caption, positions, branch))
    pad = tokenizer.pad_token_id
    fills = (pad, IGNORED, 0, 0, -1)
    stacked = [_stack([row[column] for row in rows], fill) for column, fill in enumerate(fills)]
    tokens, targets, captions, places, branch_of = stacked
    length = tokens.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    related = (branch_of[:, :, None] == branch_of[:, None]) | (branch_of[:, None] == 0)
    return PackedBatch(tokens, targets, captions.bool(), places, (earlier & related)[:, None])


def _stack(rows: list[list[int]], fill: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
