"""Yes/no questions about things that are there: does the answer change when the thing, or the image, is destroyed?"""

import math
from collections.abc import Sequence

import torch

from groundtune.artifact_writing import reject
from groundtune.artifacts import Row
from groundtune.benchmarks.modality_probe.asking import (
    Probed,
    Views,
    answer_columns,
    answers_to,
    blank_row,
    by_view,
    encoded,
    opened,
    whole_views,
)
from groundtune.benchmarks.modality_probe.locating import Place
from groundtune.benchmarks.modality_probe.views import REGION, TRUE, destroyed
from groundtune.benchmarks.question import Question
from groundtune.errors import RecordError
from groundtune.vlm.branches import branch_next_logprobs
from groundtune.vlm.last_attention import last_position_attention
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.token_coverage import image_positions, patch_positions, token_coverage


def ask_questions(probed: Probed, questions: Sequence[Question]) -> tuple[list[Row], list[Row]]:
    """(rows, rejected rows). A question whose thing is not found is asked under the other images only."""
    readable, rejected = opened(probed.benchmark_images, questions)
    images = [image for _, image in readable]
    places = probed.located_by().locate(images, [asked_about(question.text) for question, _ in readable], most=1)
    kept: list[tuple[Question, Place]] = []
    asked: list[Views] = []
    for (question, image), place in zip(readable, places, strict=True):
        views = whole_views(probed, image)
        if place.mask is not None:
            views[REGION] = destroyed(image, probed.settings, place.mask)
        try:
            asked.append(encoded(probed, question, views))
            kept.append((question, place))
        except RecordError as error:
            rejected.append(reject(question.record_id, error.field, str(error)))
    answers = answers_to(probed, asked, probed.evaluation.max_yes_no_tokens)
    looks = _looks(probed, asked, [place for _, place in kept])
    rows = [
        {
            **blank_row("question", question.record_id, question.image, question.text),
            **place.columns,
            **answer_columns(answer),
            **belief,
            **look,
        }
        for (question, place), answer, belief, look in zip(kept, answers, _beliefs(probed, asked), looks, strict=True)
    ]
    return rows, rejected


def asked_about(text: str) -> str:
    """What of a yes/no question can name the thing. It opens with a verb, which a tagger of captions may take for a
    noun: "can" of "Can you see a dog?"."""
    return text.strip().partition(" ")[2]


def _beliefs(probed: Probed, asked: Sequence[Views]) -> list[Row]:
    """P(yes | yes or no) as columns p_yes (true image), p_yes_region, ...; none when it cannot be read."""
    yes_no = probed.yes_no
    if yes_no is None:
        return [{} for _ in asked]

    def read(prefixes: list[Prefix]) -> list[float | None]:
        found = branch_next_logprobs(probed.vlm, prefixes, [[[]] for _ in prefixes], yes_no.token_ids)
        return [_finite(float(torch.sigmoid(yes_no.log_odds(logprobs)))) for (logprobs,) in found]

    return [
        {"p_yes" if view == TRUE else f"p_yes_{view}": value for view, value in views.items()}
        for views in by_view(asked, read)
    ]


def _looks(probed: Probed, asked: Sequence[Views], places: Sequence[Place]) -> list[Row]:
    """Columns of attention under the true image, of the questions whose thing was found."""
    looks: list[Row] = [{} for _ in asked]
    located = [(i, place.mask) for i, place in enumerate(places) if place.mask is not None]
    prefixes = [asked[i][TRUE] for i, _ in located]
    attentions = last_position_attention(probed.vlm, prefixes)
    for (i, mask), prefix, attention in zip(located, prefixes, attentions, strict=True):
        patches = attention[patch_positions(probed.vlm, prefix)]
        looks[i] = {
            "attention_image": _finite(float(attention[image_positions(probed.vlm, prefix)].sum())),
            "attention_region": lift(patches, token_coverage(probed.vlm, mask)),
        }
    return looks


def lift(attention: torch.Tensor, coverage: torch.Tensor) -> float | None:
    """Attention that an image token inside the region gets, over what one gets on average: 1 is an even look.

    attention: [N]; coverage: [N] in [0, 1], how much of a token is inside. None when no token covers the region: the
    model's crop can cut it off.
    """
    inside, mean = float(coverage.sum()), float(attention.mean())
    if inside <= 0 or mean <= 0:
        return None
    return _finite(float((attention * coverage).sum()) / inside / mean)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
