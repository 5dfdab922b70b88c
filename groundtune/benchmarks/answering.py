"""One part of an evaluation: greedy answers, in batches whose size changes nothing but the speed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from groundtune.artifact_writing import reject
from groundtune.artifacts import Row, parts_of
from groundtune.benchmarks.question import Answered, Benchmark, Question
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.settings import EvaluationSettings
from groundtune.vlm.generate import generate
from groundtune.vlm.image_files import encode_file
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_alike
from groundtune.vlm.sampling import Decoding
from groundtune.vlm.yes_no import p_yes

_DIGITS = 6  # of P(yes): beyond them it is the batch that speaks


def answer_part(
    vlm: Vlm,
    questions: Sequence[Question],
    benchmarks: Mapping[str, Benchmark],
    store: ImageStore,
    settings: EvaluationSettings,
) -> tuple[list[Answered], list[Row]]:
    """(answered questions, rejected rows), both in the order of `questions`; what cannot be encoded is rejected.

    The questions of a batch that are about one image share its encoding and all text that they begin with.
    """
    answers: dict[str, str] = {}
    likely: dict[str, float] = {}
    rejected: dict[str, Row] = {}
    for batch in batches(questions, settings.questions_per_batch):
        prefixes: list[Prefix] = []
        prepared: dict[str, Prefix] = {}  # image -> the first prompt about it, whose pixels the others share
        for question in batch:
            try:
                name, text = question.record_id, instruction_of(question, settings)
                if question.image in prepared:
                    prefixes.append(encode_alike(vlm, name, text, prepared[question.image]))
                else:
                    prefixes.append(encode_file(vlm, name, text, store.file(name, question.image)))
                    prepared[question.image] = prefixes[-1]
            except RecordError as error:
                rejected[question.record_id] = reject(question.record_id, error.field, str(error))
        scored = batch[0].kind == "yes_no" and settings.yes_no_answers != "generation"
        if scored:
            values = p_yes(vlm, prefixes)
            likely |= {prefix.record_id: round(p, _DIGITS) for prefix, p in zip(prefixes, values, strict=True)}
        if not scored or settings.yes_no_answers == "both":
            drawn = generate(
                vlm,
                prefixes,
                decoding_of(batch[0].kind, settings),
                [0] * len(prefixes),
                cache_tokens=settings.cache_tokens,
            )
            answers |= {prefix.record_id: own[0].text for prefix, own in zip(prefixes, drawn, strict=True)}
    answered = []
    for question in questions:
        if question.record_id not in rejected:
            p = likely.get(question.record_id)
            answer = answers.get(question.record_id)
            if answer is None:  # asked for P(yes) alone: nothing was said
                parsed = "yes" if p is not None and p > 0.5 else "no"
            else:
                parsed = benchmarks[question.benchmark].parse(question, answer)
            answered.append(Answered(question, answer or "", parsed, p, generated=answer is not None))
    return answered, [rejected[question.record_id] for question in questions if question.record_id in rejected]


def instruction_of(question: Question, settings: EvaluationSettings) -> str:
    """What the model is asked: the question, and below a yes/no question the configured line."""
    suffix = settings.yes_no_suffix if question.kind == "yes_no" else ""
    return f"{question.text}\n{suffix}" if suffix else question.text


def decoding_of(kind: str, settings: EvaluationSettings) -> Decoding:
    """Greedy, one answer."""
    longest = settings.max_yes_no_tokens if kind == "yes_no" else settings.max_new_tokens
    return Decoding(max_new_tokens=longest, temperature=0.0, top_p=1.0, samples=1)


def decoding_text(kind: str, settings: EvaluationSettings) -> str:
    """How a kind of question is answered, for the identity of a score."""
    generated = f"greedy, at most {decoding_of(kind, settings).max_new_tokens} tokens"
    if kind != "yes_no" or settings.yes_no_answers == "generation":
        return generated
    one_pass = "P(yes | yes or no) of the next word in one pass"
    return one_pass if settings.yes_no_answers == "p_yes" else f"{generated}; {one_pass}"


def batches(questions: Sequence[Question], size: int) -> Iterator[list[Question]]:
    """Batches of one kind of question.

    The questions of an image stay together, so that it is encoded once; images whose questions are of like length
    follow each other, as a model that cannot share prefixes wants them.
    """
    for _, same_kind in groupby(
        sorted(questions, key=lambda question: question.kind), key=lambda question: question.kind
    ):
        of_image: dict[str, list[Question]] = {}
        for question in same_kind:
            of_image.setdefault(question.image, []).append(question)
        groups = [sorted(group, key=lambda question: len(question.text)) for group in of_image.values()]
        groups.sort(key=lambda group: len(group[-1].text))
        for _, batch in parts_of([question for group in groups for question in group], size):
            yield batch
