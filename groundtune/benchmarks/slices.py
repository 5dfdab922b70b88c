"""An evaluation cut for several machines: by benchmark, and a large benchmark by images."""

from collections.abc import Sequence

from groundtune.artifacts import parse_shard
from groundtune.benchmarks.question import Question
from groundtune.errors import SettingError

WHOLE = ""  # not cut: every question of every benchmark
MODEL, BASELINE = "model", "baseline"  # whose answers are asked for


def slices_of(questions: Sequence[Question], questions_per_slice: int) -> list[str]:
    """Names like "pope_random 0/2", which together hold every question once."""
    names = dict.fromkeys(question.benchmark for question in questions)
    counts = {name: len(_cut(questions, name, questions_per_slice)) for name in names}
    return [f"{name} {index}/{count}" for name, count in counts.items() for index in range(count)]


def benchmark_of(slice_name: str) -> str:
    """ "pope_random" of "pope_random 0/2". Raises SettingError when it is no name of a slice."""
    name, space, shard = slice_name.rpartition(" ")
    if not space or not name:
        raise SettingError("slice", slice_name, "a benchmark and its part, e.g. 'pope_random 0/2'")
    parse_shard(shard)
    return name


def item_of(contestant: str, slice_name: str, digest: str) -> str:
    """What one task answers: "model pope_random 0/2 <digest>". digest: of all that the task will read, so that a
    pipeline's cache follows the content of the inputs and not only their names."""
    return f"{contestant} {slice_name} {digest[:16]}"


def contestant_and_slice(item: str) -> tuple[str, str]:
    """ "model pope_random 0/2 <digest>" -> ("model", "pope_random 0/2"). Raises SettingError when it is no item."""
    contestant, _, rest = item.partition(" ")
    slice_name, _, digest = rest.rpartition(" ")
    if contestant not in (MODEL, BASELINE) or not digest:
        raise SettingError("item", item, f"{MODEL} or {BASELINE}, a slice and a digest: '{MODEL} pope_random 0/2 0f1e'")
    benchmark_of(slice_name)
    return contestant, slice_name


def questions_in(questions: Sequence[Question], slice_name: str, questions_per_slice: int) -> list[Question]:
    """The slice's questions. Raises SettingError when the questions are not cut like that."""
    if slice_name == WHOLE:
        return list(questions)
    name = benchmark_of(slice_name)
    index, count = parse_shard(slice_name.rpartition(" ")[2])
    parts = _cut(questions, name, questions_per_slice)
    if count != len(parts):
        raise SettingError("slice", slice_name, f"one of {len(parts)} slices: so many are cut of {name} now")
    return parts[index]


def _cut(questions: Sequence[Question], name: str, questions_per_slice: int) -> list[list[Question]]:
    """A benchmark's questions in parts of at most so many; all questions of an image are in one part, so that it is
    encoded once, even when they are more."""
    of_image: dict[str, list[Question]] = {}
    for question in questions:
        if question.benchmark == name:
            of_image.setdefault(question.image, []).append(question)
    parts: list[list[Question]] = []
    for group in of_image.values():
        if parts and len(parts[-1]) + len(group) <= questions_per_slice:
            parts[-1] += group
        else:
            parts.append(list(group))
    return parts
