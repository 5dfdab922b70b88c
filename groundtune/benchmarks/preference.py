"""The aligned model's win rate against the base model by a judge, both orders, ties counted half.

Ours (Human Pref. Score is not defined publicly). Judges favour a place, so each pair is asked in both orders; how often
the verdict flips with the order is reported beside the rate.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.benchmarks.bootstrap import Resampling, Totals, estimate, paired_difference
from groundtune.benchmarks.judge import Judge, load_judge
from groundtune.benchmarks.pairwise import ORDERS, PROMPT_NAME, TIE, Pair, model_of, pairs_of
from groundtune.benchmarks.question import Array, UnitCounts, ratio
from groundtune.benchmarks.results import NO_JUDGE
from groundtune.errors import SettingError
from groundtune.settings import JudgeSettings

STAGE = "compare_pairwise"
RESAMPLING = Resampling()
_PAIRS_PER_PART = 512
_POINTS = {"aligned": 1.0, TIE: 0.5, "base": 0.0}


def run(
    base: str | Path,
    aligned: str | Path,
    out: str | Path,
    judge: JudgeSettings | Mapping[str, Any],
    *,
    with_reference: bool = True,
    resampling: Resampling = RESAMPLING,
) -> Artifact:
    """Judge two `answers` artifacts of the same questions; writes `judgements`, two rows a question, the figures of
    `figures_of` in the manifest.

    with_reference: tell the judge what the benchmark's truth says of the picture; off, it sees the answers only.
    Raises SettingError without a judge, ArtifactError when the two were not asked the same, JudgeError when verdicts
    cannot be had.
    """
    asked = load_judge(JudgeSettings.of(judge, "judge"))
    if asked is None:
        raise SettingError("judge.base_url", "", f"the judge's address; {NO_JUDGE}")
    answers = [read_artifact(path, "answers") for path in (base, aligned)]
    parents = dict(zip(("base", "aligned"), (artifact.digest for artifact in answers), strict=True))
    settings = {"judge": asked.identity, "prompt": PROMPT_NAME, "with_reference": with_reference}
    with tracking.stage(STAGE, settings=settings, inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "judgements", settings, parents)
        pairs = pairs_of(*answers, with_reference=with_reference)
        index = count = 0
        while part := list(islice(pairs, _PAIRS_PER_PART)):
            if not writer.has_part(index):
                writer.write_part(index, list(judgements(part, asked)))
            index, count = index + 1, count + len(part)
        artifact = writer.finish(
            2 * count,
            results=lambda made: {
                **figures_of(made.rows(), resampling),
                "identity": {**settings, "served": asked.served, "interval": resampling.interval},
                "usage": asked.usage,
            },
        )
        log.metrics(artifact.scalars)
        log.output(artifact.digest)
        return artifact


def judgements(pairs: Iterable[Pair], judge: Judge) -> Iterator[Row]:
    """Rows of a `judgements` artifact, two a pair in the order of ORDERS, as a stream. Equal answers are not asked."""
    waiting: deque[tuple[Pair, str]] = deque()

    def requests() -> Iterator[Any]:
        for pair in pairs:
            for order in ORDERS:
                waiting.append((pair, order))
                if not pair.same:
                    yield pair.request(order)

    def until_asked() -> Iterator[Row]:
        while waiting and waiting[0][0].same:
            yield _row(*waiting.popleft(), TIE)

    for verdict in judge.ask_each(requests()):
        yield from until_asked()
        pair, order = waiting.popleft()
        yield _row(pair, order, model_of(verdict.rating or "", order), verdict.reply, verdict.problem)
    yield from until_asked()


def figures_of(rows: Iterable[Row], resampling: Resampling = RESAMPLING) -> dict[str, Any]:
    """{"win_rate": {"value", "low", "high", "p"}, "flipped", "first_place": {"value", "low", "high"}, "pairs",
    "judged", "unjudged", "identical", "wins", "ties", "losses"}.

    win_rate: of the aligned model, a pair's two orders averaged, ties half; p: of "which model answered does not
    matter". flipped: share of judged pairs whose verdict changes with the order. first_place: share of the decided
    verdicts that went to the answer called A, 0.5 when the place does not matter. A pair without a verdict in one
    order is unjudged and in no rate. wins, ties, losses: pairs above, at and below half. Intervals: bootstrap over
    images. Without a judged pair there are counts only.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["benchmark"], row["question_id"]), []).append(row)
    units: dict[str, dict[str, float]] = {}
    counts = dict.fromkeys(("pairs", "judged", "unjudged", "identical", "wins", "ties", "losses"), 0)
    for pair in found.values():
        counts["pairs"] += 1
        if any(row["winner"] == "" for row in pair):
            counts["unjudged"] += 1
            continue
        points = sum(_POINTS[row["winner"]] for row in pair) / len(pair)
        counts["judged"] += 1
        counts["identical"] += all(not row["reply"] for row in pair)
        counts["wins" if points > 0.5 else "ties" if points == 0.5 else "losses"] += 1
        decided = [row for row in pair if row["winner"] != TIE]
        own = units.setdefault(
            pair[0]["image"], dict.fromkeys(("pairs", "aligned", "base", "flipped", "decided", "a"), 0.0)
        )
        own["pairs"] += 1.0
        own["aligned"] += points
        own["base"] += 1.0 - points
        own["flipped"] += len({row["winner"] for row in pair}) > 1
        own["decided"] += len(decided)
        own["a"] += sum(row["order"] == f"{row['winner']}_first" for row in decided)
    return {**counts, **_rates(units, resampling)} if units else counts


def _rates(units: Mapping[str, Mapping[str, float]], resampling: Resampling) -> dict[str, Any]:
    names = next(iter(units.values()))
    columns = {name: np.array([unit[name] for unit in units.values()]) for name in names}
    table = UnitCounts(tuple(units), columns)
    values = {name: one.as_dict() for name, one in estimate([table], _metrics, resampling).items()}
    sides = [UnitCounts(table.units, {"won": columns[side], "pairs": columns["pairs"]}) for side in ("base", "aligned")]
    better = paired_difference(sides[:1], sides[1:], _share, resampling)["won"]
    values["win_rate"]["p"] = better.p
    return values


def _metrics(tables: Any) -> dict[str, Array]:
    (totals,) = tables
    return {
        "win_rate": ratio(totals["aligned"], totals["pairs"]),
        "flipped": ratio(totals["flipped"], totals["pairs"]),
        "first_place": ratio(totals["a"], totals["decided"]),
    }


def _share(tables: Any) -> dict[str, Array]:
    totals: Totals = tables[0]
    return {"won": ratio(totals["won"], totals["pairs"])}


def _row(pair: Pair, order: str, winner: str, reply: str = "", problem: str = "") -> Row:
    question = pair.question
    return {
        "benchmark": question.benchmark,
        "question_id": question.question_id,
        "image": question.image,
        "question": question.text,
        "order": order,
        "base_answer": pair.base,
        "aligned_answer": pair.aligned,
        "winner": winner,
        "reply": reply,
        "problem": problem,
    }
