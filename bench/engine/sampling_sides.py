"""Sides of the suite `sampling`: a pool of K answers a prompt, and the log-prob of every token of every answer."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from bench.engine import models, ours
from bench.engine.case import Case
from bench.engine.clock import timed
from bench.engine.training import Turn


class Sampling:
    """Prompts, their pixels prepared before; a random model's ends are planted. vlm: a Vlm, or a Neighbour."""

    def __init__(self, case: Case, vlm: Any):
        self.case, self.size, self.vlm = case, case.size, vlm
        self.turns = 0
        if case.size.weights != "demo":
            models.end_by_chance(self.vlm, case.size.mean_tokens if case.ends else 0)
        pictures = case.images(case.size.prompts)
        self.prefixes = [ours.prefix_of(self.vlm, f"prompt-{i}", picture) for i, picture in enumerate(pictures)]

    def counted(self, seconds: float, sampling: float, answers: list[int]) -> Turn:
        """answers: tokens of each."""
        whole = {"seconds": seconds, "sampling_seconds": sampling, "answers": len(answers), "tokens": sum(answers)}
        return whole | {"prompts": len(self.prefixes)}


class OurPool(Sampling):
    """One prefill a prompt, K rows that decode together, then one packed row a prompt for confidence."""

    def __init__(self, case: Case):
        super().__init__(case, models.ours(case))

    def begin(self) -> None:
        ours.prepare(self.vlm)

    def turn(self) -> Turn:
        self.turns += 1
        size = self.size
        with timed() as seconds:
            with timed() as sampling:
                pools = ours.sampled(
                    self.vlm, self.prefixes, size.samples, size.new_tokens, self.turns, size.cache_tokens
                )
            ids = [[answer.token_ids for answer in pool] for pool in pools]
            ours.logprobs_of(self.vlm, self.prefixes, ids)
        return self.counted(seconds(), sampling(), [len(one) for pool in ids for one in pool])


@dataclass
class Drawn:
    """What `generate` wrote behind one prompt: rows of ids, and the log-probs of them when its own logits say so."""

    rows: list[Tensor]
    logprobs: list[Tensor] | None


class TransformersPool(Sampling):
    """`generate(num_return_sequences=K)`, prompts in batches that fill the same number of cached tokens, then a
    teacher-forced pass over the K candidates of each prompt with logits at answer positions only.

    own_logits: no second pass; `generate` keeps the logits of each step instead.
    """

    def __init__(self, case: Case, own_logits: bool = False):
        super().__init__(case, models.neighbour(case))
        self.own_logits = own_logits

    def begin(self) -> None:
        """Nothing but the turn that warms up."""

    @torch.no_grad()
    def turn(self) -> Turn:
        self.turns += 1
        torch.manual_seed(self.turns)
        size = self.size
        a_prompt = size.samples * (max(map(len, self.prefixes)) + size.new_tokens)
        together = max(1, size.cache_tokens // a_prompt)
        with timed() as seconds:
            with timed() as sampling:
                drawn = []
                for start in range(0, len(self.prefixes), together):
                    drawn += self._generate(self.prefixes[start : start + together])
            for prefix, one in zip(self.prefixes, drawn, strict=True):
                if one.logprobs is None:
                    self._teacher_forced(prefix, one.rows)
        return self.counted(seconds(), sampling(), [len(row) for one in drawn for row in one.rows])

    def _generate(self, prefixes: list[Any]) -> list[Drawn]:
        vlm, count = self.vlm, self.size.samples
        width = max(map(len, prefixes))
        ids = torch.stack([F.pad(p.input_ids, (width - len(p), 0), value=vlm.tokenizer.pad_token_id) for p in prefixes])
        mask = torch.stack([F.pad(torch.ones_like(p.input_ids), (width - len(p), 0)) for p in prefixes])
        pixels = torch.cat([p.pixels["pixel_values"] for p in prefixes])
        made = vlm.base.generate(
            input_ids=ids.to(vlm.device),
            attention_mask=mask.to(vlm.device),
            pixel_values=pixels.to(vlm.device, vlm.dtype),
            do_sample=True, temperature=1.0, top_p=0.95, top_k=0, num_return_sequences=count,
            max_new_tokens=self.size.new_tokens, suppress_tokens=[vlm.config.image_token_id],
            return_dict_in_generate=True, output_logits=self.own_logits,
        )  # fmt: skip
        new = made.sequences[:, width:]
        ends = (new == vlm.tokenizer.eos_token_id).int()
        lengths = torch.where(ends.any(1), ends.argmax(1) + 1, new.shape[1]).tolist()
        rows = [row[:length] for row, length in zip(new, lengths, strict=True)]
        logprobs = self._own(made.logits, rows) if self.own_logits else None
        return [
            Drawn(rows[i : i + count], logprobs[i : i + count] if logprobs else None)
            for i in range(0, len(rows), count)
        ]

    def _own(self, logits: tuple[Tensor, ...], rows: list[Tensor]) -> list[Tensor]:
        """From the logits [R, V] of each step."""
        drawn = pad_sequence(rows, batch_first=True)  # [R, steps]
        steps = [
            values.float().log_softmax(-1).gather(1, drawn[:, step : step + 1])
            for step, values in enumerate(logits[: drawn.shape[1]])
        ]
        return [values[: len(row)] for values, row in zip(torch.cat(steps, dim=1), rows, strict=True)]

    def _teacher_forced(self, prefix: Any, rows: list[Tensor]) -> list[Tensor]:
        vlm = self.vlm
        head = prefix.input_ids.to(vlm.device)
        whole = [torch.cat([head, row]) for row in rows]
        ids = pad_sequence(whole, batch_first=True, padding_value=vlm.tokenizer.pad_token_id)
        mask = pad_sequence([torch.ones_like(row) for row in whole], batch_first=True)
        pixels = prefix.pixels["pixel_values"].to(vlm.device, vlm.dtype)
        longest = max(map(len, rows))
        logits = vlm.base(
            input_ids=ids, attention_mask=mask, pixel_values=pixels.expand(len(rows), -1, -1, -1), use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, :-1]  # fmt: skip
        return [-F.cross_entropy(logits[r, : len(row)].float(), row, reduction="none") for r, row in enumerate(rows)]
