"""Answers that only a judge can rate: asked, and the rating kept beside the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from groundtune.artifacts import Row
from groundtune.benchmarks.judge import Judge, JudgeRequest
from groundtune.benchmarks.question import Answered, Benchmark, row_of


def judged_rows(
    answered: Sequence[Answered],
    images: Mapping[str, str],
    benchmarks: Mapping[str, Benchmark],
    judge: Judge | None,
) -> list[Row]:
    """Rows of an `answers` artifact, in the order given. images: reference -> sha256.

    Without a judge nothing is rated. A reply that stays malformed gets the benchmark's `malformed_rating`. Raises
    JudgeError when a reply cannot be had; replies so far are in the judge's cache.
    """
    requests = []
    if judge is not None:
        for one in answered:
            benchmark = benchmarks[one.question.benchmark]
            messages = benchmark.judge_messages(one)
            if messages is not None:
                requests.append(JudgeRequest(one.question.record_id, tuple(messages), benchmark.read_verdict))
    replies = dict(zip((r.record_id for r in requests), judge.ask(requests) if judge else [], strict=True))
    rows = []
    for one in answered:
        benchmark, verdict = benchmarks[one.question.benchmark], replies.get(one.question.record_id)
        if verdict is not None:
            rating = verdict.rating if verdict.rating is not None else benchmark.malformed_rating
            one = replace(one, rating=rating)
        reply = verdict.reply if verdict is not None else ""
        rows.append(row_of(one, images[one.question.image], benchmark.correct(one), reply))
    return rows
