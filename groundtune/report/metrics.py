"""What every metric is called, what it means, and on which scale it is: one line a metric."""

from dataclasses import dataclass, replace

from groundtune.benchmarks.registry import benchmark_named
from groundtune.errors import SettingError


@dataclass(frozen=True)
class Metric:
    """share: in [0, 1], written as a percentage; else a plain number with `digits`. top: the best or worst value that
    there can be, None when there is none (a length). key: one of the few that a summary and a figure show."""

    name: str
    meaning: str = ""
    share: bool = True
    digits: int = 1
    top: float | None = 1.0
    key: bool = False


def _plain(name: str, meaning: str, digits: int = 1, top: float | None = None, key: bool = False) -> Metric:
    return Metric(name, meaning, False, digits, top, key)


# Last part of the metric's name ("f1" of "existence.f1") -> the metric. A metric that is not here is shown by its own
# name, as the plain number that it is.
METRICS: dict[str, Metric] = {
    "chairs": Metric("CHAIRs", "answers that name an object which is not there, of those that name any", key=True),
    "chairs_all": Metric("CHAIRs, all answers", "answers that name an object which is not there, of all answers"),
    "chairi": Metric("CHAIRi", "named objects that are not there", key=True),
    "recall": Metric("coverage", "objects of the picture that the answers name", key=True),
    "words": _plain("words", "mean length of an answer"),
    "objects": _plain("objects", "mean number of named objects an answer"),
    "f1": Metric("F1", "harmonic mean of precision and recall", key=True),
    "accuracy": Metric("accuracy", "right answers"),
    "accuracy_plus": Metric("accuracy+", "pictures with both questions answered right"),
    "precision": Metric("precision", "said yes and it was there"),
    "yes_ratio": Metric("yes ratio", "share of answers that say yes"),
    "unparsed": Metric("unparsed", "answers that say neither yes nor no"),
    "score": _plain("score", "points", 2),
    "perception": _plain("perception", "sum over ten tasks, at most 2000", 1, 2000.0, key=True),
    "cognition": _plain("cognition", "sum over four tasks, at most 800", 1, 800.0, key=True),
    "perception_partial": _plain("perception, some tasks", "sum over the tasks that were asked; compares with nothing"),
    "cognition_partial": _plain("cognition, some tasks", "sum over the tasks that were asked; compares with nothing"),
    "chair": Metric("CHAIR", "named objects that are not there", key=True),
    "cover": Metric("Cover", "objects of the picture that the answers name", key=True),
    "hal": Metric("Hal", "answers with an object that is not there", key=True),
    "cog": Metric("Cog", "invented objects that people would expect there", key=True),
    "hallucination_rate": Metric("hallucination rate", "answers that the judge rates below 3", key=True),
    "amber_score": _plain("AMBER score", "(100 - CHAIR + F1) / 2, in points of 100", 1, 100.0, key=True),
    "chairs_by_judge": Metric("CHAIRs by judge", "as CHAIRs, objects found by the judge", key=True),
    "chairs_all_by_judge": Metric(
        "CHAIRs by judge, all answers", "as CHAIRs of all answers, objects found by the judge"
    ),
    "chairi_by_judge": Metric("CHAIRi by judge", "as CHAIRi, objects found by the judge", key=True),
    "recall_by_judge": Metric("coverage by judge", "as coverage, objects found by the judge"),
    "judged_answers": Metric("judged answers", "answers that the judge's figures are of"),
    "followed": Metric("followed", "instructions in the question that the answer follows, by program", key=True),
    "followed_all": Metric("followed, all", "answers that follow all of theirs"),
    "following": _plain("following", "mean rating by the judge, 1 to 10", 2, 10.0, key=True),
    "unrated": Metric("unrated", "answers whose verdict stayed unreadable"),
    "malformed": Metric("malformed", "verdicts of the judge that stayed unreadable"),
    "relative_score": _plain("relative score", "grades of the answers per 100 of the reference's", 1, key=True),
    "answer_score": _plain("answer score", "mean grade of the answers, 1 to 10", 2, 10.0),
    "reference_score": _plain("reference score", "mean grade of the reference answers, 1 to 10", 2, 10.0),
    "win_rate": Metric("win rate", "answers preferred to the other model's, ties half", key=True),
}
_OF_FAMILY: dict[tuple[str, str], Metric] = {
    ("pope", "recall"): Metric("recall", "of what is there, how much was answered with yes"),
    ("amber", "recall"): Metric("recall", "of the questions whose answer is no, how many were answered so"),
    ("amber", "precision"): Metric("precision", "said no and no was right"),
    ("mme", "score"): _plain("score", "100 x accuracy + 100 x accuracy+, at most 200", 1, 200.0),
    ("mmhal", "score"): _plain("score", "mean rating by the judge, 0 to 6", 2, 6.0, key=True),
}


def metric_of(benchmark: str, metric: str) -> Metric:
    """The metric of a benchmark's name, "existence.f1" as "existence: F1"."""
    part, _, last = metric.rpartition(".")
    found = _OF_FAMILY.get((family_of(benchmark), last)) or METRICS.get(last)
    if found is None:
        return _plain(metric, "", 3)
    return replace(found, name=f"{part.replace('_', ' ')}: {found.name}", key=False) if part else found


def family_of(benchmark: str) -> str:
    """`pope` of `pope_random`; a name that this groundtune does not know is its own family."""
    try:
        return benchmark_named(benchmark).family
    except SettingError:
        return benchmark


def is_share(metric: str) -> bool:
    """Is it written as a percentage, whatever the benchmark?"""
    last = metric.rpartition(".")[2]
    return last in METRICS and METRICS[last].share


def digits_of(metric: str) -> int:
    """Digits after the point of a metric that is no share."""
    found = METRICS.get(metric.rpartition(".")[2])
    return found.digits if found else 3
