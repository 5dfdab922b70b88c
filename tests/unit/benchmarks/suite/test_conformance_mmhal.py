"""The published MMHal-Bench file. It is no part of the repository."""

import random

from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.mmhal import TYPES, MmHal, official_rating
from tests.unit.benchmarks.judged_worlds import answered
from tests.unit.benchmarks.suite import mmhal_oracle
from tests.unit.benchmarks.suite.test_conformance import BENCHMARKS, here


@here
def test_mmhal_reads_and_scores_the_published_file() -> None:
    benchmark = MmHal("mmhal")
    for files in (
        QuestionFiles(str(BENCHMARKS / "mmhal")),
        QuestionFiles(str(BENCHMARKS / "mmhal" / "response_template.json")),
    ):
        questions = benchmark.load(files)
        assert len(questions) == 96 and len({question.image for question in questions}) == 96
        assert [question.category for question in questions] == list(TYPES) * 12
        assert all(question.image.endswith((".jpg", ".png", ".jpeg")) for question in questions)
        assert all(question.truth["image_content"] and question.truth["gt_answer"] for question in questions)

    replies = [f"Rating: {score}" for score in random.Random(0).choices(range(7), k=96)]
    ratings = [str(official_rating(reply)) for reply in replies]
    done = answered(benchmark, questions, ["An answer."] * 96, ratings)
    totals = {name: column.sum() for name, column in benchmark.score(done).columns.items()}
    figures = {name: round(float(value), 2) for name, value in benchmark.metrics(totals).items()}
    assert figures == {name: round(value, 2) for name, value in mmhal_oracle.figures_of(replies).items()}
    assert all("{" not in message["content"] for one in done for message in benchmark.judge_messages(one))
