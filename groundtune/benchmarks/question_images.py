"""The images that questions ask about: found, checked and pinned before the model is loaded."""

import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from groundtune import storage
from groundtune.artifacts import parts_of
from groundtune.benchmarks.question import Question
from groundtune.errors import RecordError, TooManyRejected
from groundtune.images import ATTACHED, ImageStore, decode

_READERS = 8  # images on their way at once: a store answers slowly, but many at a time
_IN_MEMORY = 64  # images that are read ahead of being decoded
FOLDERS = ("images", "image")  # where an image of a bare name is looked for next


def names_below(root: str) -> AbstractSet[str] | None:
    """Every file below an s3:// root; None for a folder, where one look-up is cheaper than the listing."""
    return frozenset(storage.list_files(root)) if storage.is_s3(root) else None


def resolve_images(
    root: str, questions: Sequence[Question], folders: Sequence[str] = (), names: AbstractSet[str] | None = None
) -> list[Question]:
    """The questions with references that exist: "x.jpg" below the root or one of `folders`, there or in "images/".

    The published files hold bare names. A reference that leads nowhere stays as it is; `check_images` reports it.
    names: names_below(root), listed once for all benchmarks; None looks into the folder.
    """

    def exists(reference: str) -> bool:
        if names is not None:
            return reference in names
        try:
            return (Path(root) / reference).is_file()
        except OSError:  # a name that no file system takes, or a folder that may not be read
            return False

    def resolved(reference: str) -> str:
        if storage.is_s3(reference) or reference.startswith(("/", "http://", "https://", ATTACHED)):
            return reference
        bases = [f"{folder}/" for folder in folders] + [""]
        places = [base + reference for base in bases]
        places += [f"{base}{inner}/{reference}" for base in bases for inner in FOLDERS]
        return next((place for place in places if exists(place)), reference)

    found = {reference: resolved(reference) for reference in {question.image for question in questions}}
    return [replace(question, image=found[question.image]) for question in questions]


def check_images(store: ImageStore, questions: Sequence[Question]) -> tuple[dict[str, str], dict[str, RecordError]]:
    """Read and decode every image once -> (reference -> sha256, reference -> what is wrong with it).

    This takes seconds; a missing image that is found midway costs GPU hours.
    """
    asking = {question.image: question.record_id for question in reversed(questions)}  # the first to ask about each
    digests: dict[str, str] = {}
    errors: dict[str, RecordError] = {}

    def read(reference: str) -> bytes | RecordError:
        try:
            return store.read(asking[reference], reference)
        except RecordError as error:
            return error

    with ThreadPoolExecutor(_READERS) as pool:
        for _, some in parts_of(list(dict.fromkeys(question.image for question in questions)), _IN_MEMORY):
            for reference, data in zip(some, pool.map(read, some), strict=True):
                try:
                    if isinstance(data, RecordError):
                        raise data
                    decode(data, asking[reference], reference, store.max_pixels)
                    digests[reference] = hashlib.sha256(data).hexdigest()
                except RecordError as error:
                    errors[reference] = error
    return digests, errors


def check_share(
    questions: Sequence[Question], broken: Mapping[str, RecordError], allow_missing: bool, most: float
) -> None:
    """Without some of its images a benchmark is another one: stop before the expensive part, unless that is meant.

    broken: reference -> what is wrong (check_images). most: max_rejected_share. Raises TooManyRejected that names the
    first questions of each benchmark.
    """
    of_benchmark: dict[str, list[Question]] = {}
    for question in questions:
        of_benchmark.setdefault(question.benchmark, []).append(question)
    for name, asked in of_benchmark.items():
        bad = [question for question in asked if question.image in broken]
        if not bad or (allow_missing and len(bad) <= most * len(asked) and (most == 1.0 or len(bad) < len(asked))):
            continue
        worst = "\n  ".join(str(error) for error in list({q.image: broken[q.image] for q in bad}.values())[:5])
        limit = (
            f"the limit is {most:.1%} (max_rejected_share)"
            if allow_missing
            else "allow_missing leaves them out and counts them"
        )
        raise TooManyRejected(
            f"{name}: {len(bad)} of {len(asked)} questions have no usable image; {limit}. The first:\n  {worst}"
        )
