"""Captions: how much of a description stays when what it speaks of, or the whole image, is destroyed?"""

from collections.abc import Sequence

from groundtune.artifact_writing import reject
from groundtune.artifacts import Row
from groundtune.benchmarks.modality_probe.asking import (
    Probed,
    answer_columns,
    answers_to,
    blank_row,
    encoded,
    opened,
    whole_views,
)
from groundtune.benchmarks.modality_probe.views import REGION, TRUE, destroyed
from groundtune.benchmarks.question import Question
from groundtune.errors import RecordError


def describe_images(probed: Probed, questions: Sequence[Question]) -> tuple[list[Row], list[Row]]:
    """(rows, rejected rows). The regions are those of the keywords of the model's own caption under the true image."""
    readable, rejected = opened(probed.benchmark_images, questions)
    kept, asked = [], []
    for question, image in readable:
        try:
            asked.append(encoded(probed, question, whole_views(probed, image)))
            kept.append((question, image))
        except RecordError as error:
            rejected.append(reject(question.record_id, error.field, str(error)))
    longest = probed.settings.max_new_tokens
    captions = answers_to(probed, asked, longest)
    places = probed.located_by().locate([image for _, image in kept], [caption[TRUE] for caption in captions])
    located = [i for i, place in enumerate(places) if place.mask is not None]
    again = []
    for i in located:
        question, image = kept[i]
        again.append(encoded(probed, question, {REGION: destroyed(image, probed.settings, places[i].mask)}))
    for i, answer in zip(located, answers_to(probed, again, longest), strict=True):
        captions[i] |= answer
    rows = [
        {
            **blank_row("caption", question.record_id, question.image, question.text),
            **place.columns,
            **answer_columns(caption),
        }
        for (question, _), place, caption in zip(kept, places, captions, strict=True)
    ]
    return rows, rejected
