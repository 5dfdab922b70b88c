"""Asking one model the same under several images: what the parts of a probe share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from groundtune.artifact_writing import reject
from groundtune.artifacts import Row
from groundtune.benchmarks.answering import instruction_of
from groundtune.benchmarks.modality_probe.locating import Locator
from groundtune.benchmarks.modality_probe.views import DESTROYED, REMOVED, TRUE, destroyed, removed
from groundtune.benchmarks.question import Question
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.settings import EvaluationSettings, ProbeSettings
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix
from groundtune.vlm.sampling import Decoding
from groundtune.vlm.yes_no import YesNoTokens

Value = TypeVar("Value")
Views = dict[str, Prefix]  # name of a view (views.py) -> the prompt with that image


@dataclass(frozen=True)
class Probed:
    """The model and all it is asked with. locator: None when nothing is located; yes_no: None when P(yes) cannot be
    read."""

    vlm: Vlm
    settings: ProbeSettings
    evaluation: EvaluationSettings
    benchmark_images: ImageStore
    pair_images: ImageStore
    locator: Locator | None
    yes_no: YesNoTokens | None

    def located_by(self) -> Locator:
        if self.locator is None:
            raise ValueError("questions and captions need a locator")
        return self.locator


def opened(store: ImageStore, questions: Sequence[Question]) -> tuple[list[tuple[Question, Image.Image]], list[Row]]:
    """(questions with their images, rejected rows of those whose image cannot be read)."""
    readable, rejected = [], []
    for question in questions:
        try:
            readable.append((question, store.open(question.record_id, question.image)))
        except RecordError as error:
            rejected.append(reject(question.record_id, error.field, str(error)))
    return readable, rejected


def encoded(probed: Probed, question: Question, views: dict[str, Image.Image]) -> Views:
    """The question with each of these images. Raises RecordError."""
    text = instruction_of(question, probed.evaluation)
    return {name: encode_prefix(probed.vlm, question.record_id, text, image) for name, image in views.items()}


def whole_views(probed: Probed, image: Image.Image) -> dict[str, Image.Image]:
    """The views that need no region: as it is, destroyed, removed."""
    grey = removed(image, probed.vlm.processor.image_processor)
    return {TRUE: image, DESTROYED: destroyed(image, probed.settings), REMOVED: grey}


def by_view(asked: Sequence[Views], read: Callable[[list[Prefix]], Sequence[Value]]) -> list[dict[str, Value]]:
    """`read` on the prompts of all questions and views at once, handed back by question and view."""
    values = iter(read([prefix for views in asked for prefix in views.values()]))
    return [{view: next(values) for view in views} for views in asked]


def answers_to(probed: Probed, asked: Sequence[Views], max_new_tokens: int) -> list[dict[str, str]]:
    """Greedy answers, by question and view."""
    cache_tokens = probed.evaluation.cache_tokens
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=0.0, top_p=1.0, samples=1)
    return by_view(
        asked,
        lambda prefixes: [
            own[0].text
            for own in generate(probed.vlm, prefixes, decoding, [0] * len(prefixes), cache_tokens=cache_tokens)
        ],
    )


def blank_row(probe: str, identity: str, image: str, text: str) -> Row:
    """A row of the `probe` artifact with nothing measured yet."""
    columns = ("phrase", "region_missing", "answer", "answer_region", "answer_destroyed", "answer_removed")
    words = dict.fromkeys(columns, "")
    return {"probe": probe, "question_id": identity, "image": image, "question": text, **words}


def answer_columns(answers: dict[str, str]) -> Row:
    """The answers of one question as columns; a view that there is not leaves "" behind."""
    return {"answer" if view == TRUE else f"answer_{view}": text for view, text in answers.items()}
