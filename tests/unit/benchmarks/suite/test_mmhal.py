"""MMHal-Bench: published files as they are, published rules to the digit, a judge over real HTTP."""

import json
import random
from pathlib import Path

import pytest

from groundtune.benchmarks.judge import load_judge
from groundtune.benchmarks.judging import judged_rows
from groundtune.benchmarks.question import Answered
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.suite.mmhal import MALFORMED, PROMPT, MmHal, official_rating, official_score
from groundtune.errors import RecordError, SettingError
from tests.scripted_judge import Say, scripted_judge
from tests.unit.benchmarks.judge.requests import settings_of
from tests.unit.benchmarks.judged_worlds import answered, write_mmhal
from tests.unit.benchmarks.suite import mmhal_oracle

PIECES = [
    "Rating: 0", "rating: 1", "RATING: 2", "Rating: 3", "Rating: 4.", "rating: 5/6", "**Rating: 6**", "Rating: 7",
    "Rating:3", "Rating : 4", "rating:  5", "Rating: -1", "Rating: 10", "Rating: 3.5", "ratıng: 4", "RATİNG: 4",
    "Rating: four", "Rating: ６", "Rating:\n2", "rating:\u00a03", "Rating is 3", "the rating: 2", "Overrating: 1", "",
    "\n", "yes and no", "\x00", "🙂" * 3, "word " * 5000,
]  # fmt: skip


def ugly_replies(count: int) -> list[str]:
    generator = random.Random(4)
    replies = []
    for _ in range(count):
        parts = generator.choices(PIECES[:-1], k=generator.choice((0, 1, 1, 1, 2, 2, 3)))
        if generator.random() < 0.01:
            parts.insert(0, PIECES[-1])
        if generator.random() < 0.1:
            parts += parts[:1]
        replies.append(generator.choice((" ", "\n", "")).join(parts))
    return replies


def test_ratings_and_scores_agree_with_a_plain_reading_of_the_rules_on_ugly_replies(tmp_path: Path) -> None:
    benchmark = MmHal("mmhal")
    questions = benchmark.load(QuestionFiles(str(write_mmhal(tmp_path / "mmhal", 96))))
    replies = ugly_replies(96 * 30)
    ratings = [official_rating(reply) or MALFORMED for reply in replies]
    assert [official_score(rating) for rating in ratings] == [mmhal_oracle.score_of(reply) for reply in replies]
    assert len(set(ratings)) == 8, "every score and the malformed are among the replies"
    for start in range(0, len(replies), 96):
        part = slice(start, start + 96)
        done = answered(benchmark, questions, ["x"] * 96, ratings[part])
        totals = {name: column.sum() for name, column in benchmark.score(done, "official").columns.items()}
        figures = {name: float(value) for name, value in benchmark.metrics(totals).items()}
        assert figures == pytest.approx(mmhal_oracle.figures_of(replies[part]), abs=1e-12)


def test_the_strict_reading_leaves_malformed_verdicts_out_and_counts_them(tmp_path: Path) -> None:
    benchmark = MmHal("mmhal")
    questions = benchmark.load(QuestionFiles(str(write_mmhal(tmp_path / "mmhal", 4))))
    done = answered(benchmark, questions, ["x"] * 4, ["6", MALFORMED, "2", "4"])
    figures = {}
    for reading in benchmark.readings:
        totals = {name: column.sum() for name, column in benchmark.score(done, reading).columns.items()}
        figures[reading] = {name: float(value) for name, value in benchmark.metrics(totals).items()}
    assert (figures["official"]["score"], figures["official"]["hallucination_rate"]) == (3.0, 0.5)
    assert figures["strict"]["score"] == 4.0
    assert figures["strict"]["hallucination_rate"] == pytest.approx(1 / 3)
    assert figures["strict"]["malformed"] == 0.25
    assert [benchmark.correct(one) for one in done] == [True, False, False, True]


def test_without_a_judge_nothing_takes_the_place_of_its_metrics(tmp_path: Path) -> None:
    benchmark = MmHal("mmhal")
    questions = benchmark.load(QuestionFiles(str(write_mmhal(tmp_path / "mmhal", 4))))
    done = answered(benchmark, questions, ["x"] * 4, [""] * 4)
    for reading in benchmark.readings:
        assert benchmark.metrics(benchmark.score(done, reading).columns) == {}
    assert benchmark.correct(done[0]) is None


def test_images_are_found_by_the_name_of_their_source_or_by_their_id(tmp_path: Path) -> None:
    questions = MmHal("mmhal").load(QuestionFiles(str(write_mmhal(tmp_path / "mmhal", 4))))
    assert [question.image for question in questions] == [
        "images/photo-0.png", "images/photo-1.png", "images/id2.png", "images/photo-3.png",
    ]  # fmt: skip
    alone = MmHal("mmhal").load(QuestionFiles(str(tmp_path / "mmhal" / "response_template.json")))
    assert [question.image for question in alone] == [f"photo-{at}.png" for at in range(4)]


def test_the_judge_rates_answers_from_their_rows_alone(tmp_path: Path) -> None:
    """As `score_answers` does it: on another machine, without the question files."""
    loaded = MmHal("mmhal")
    questions = loaded.load(QuestionFiles(str(write_mmhal(tmp_path / "mmhal", 10))))
    images = {question.image: "sha" for question in questions}
    said = [f"Answer {at} with {{question}} in it." for at in range(10)]
    rows = judged_rows(
        [Answered(q, a, "") for q, a in zip(questions, said, strict=True)], images, {"mmhal": loaded}, None
    )

    def script(asked, before):
        number = next(at for at in range(10) if f"table {at}?" in asked.text)
        return Say("Rating: 1 or rating: 2" if number == 9 else f"It is so.\n\nRating: {number % 7}")

    with scripted_judge(script) as server:
        judge = load_judge(settings_of(server, tmp_path / "cache", malformed_attempts=1))
        fresh = benchmark_named("mmhal")
        judged = judged_rows([fresh.answered(row) for row in rows], images, {"mmhal": fresh}, judge)
    assert [row["rating"] for row in judged] == ["0", "1", "2", "3", "4", "5", "6", "0", "1", MALFORMED]
    assert judged[9]["judgement"] == "Rating: 1 or rating: 2"
    assert len(server.asked) == 11
    text = next(asked.text for asked in server.asked if "table 3?" in asked.text)
    for part in (
        "Cup, Table",
        "What stands on table 3?",
        "A cup stands on table 3.",
        "Answer 3 with {question} in it.",
    ):
        assert part in text


def test_a_prompt_in_the_folder_replaces_ours_and_changes_the_identity(tmp_path: Path) -> None:
    folder = write_mmhal(tmp_path / "mmhal", 3)
    ours = MmHal("mmhal")
    plain = ours.load(QuestionFiles(str(folder)))
    template = "{image_content} | {question} | {gt_answer} | {model_answer} | {braces} {}"
    (folder / "judge_prompt.txt").write_text(template)
    theirs = MmHal("mmhal")
    files = QuestionFiles(str(folder))
    questions = theirs.load(files)

    assert "judge_prompt.txt" in files.digests
    assert "groundtune's own wording" in ours.identity()["judge_prompt"]
    assert theirs.identity()["judge_prompt"].startswith("sha256 ")
    row = {"benchmark": "mmhal", "question_id": "1", "image": "i", "question": questions[1].text, "kind": "open"}
    row |= {"truth": questions[1].truth_text, "category": "adversarial", "answer": "Tea.", "parsed": "", "rating": ""}
    row |= {"p_yes": None, "answered_by": "generation"}
    (message,) = MmHal("mmhal").judge_messages(MmHal("mmhal").answered(row))
    assert message["content"] == "Cup, Table | What stands on table 1? | A cup stands on table 1. | Tea. | {braces} {}"
    assert "judge_prompt" not in plain[0].truth
    (folder / "judge_prompt.txt").write_text("{question} {gt_answer} {model_answer}")
    with pytest.raises(SettingError, match=r"judge_prompt.txt.*\{image_content\}"):
        MmHal("mmhal").load(QuestionFiles(str(folder)))


def test_our_own_prompt_shows_everything_and_would_not_rate_itself() -> None:
    for name in ("image_content", "question", "gt_answer", "model_answer"):
        assert PROMPT.count(f"{{{name}}}") == 1
    assert official_rating(PROMPT) is None, "a judge that repeats its task gives no rating by that"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records.reverse(), r"response_template.json:1 .*question_type.*'attribute'"),
        (lambda records: records[2].pop("gt_answer"), r"response_template.json:3 id=\"id2\": gt_answer: is missing"),
        (lambda records: records[1].update(image_content="Cup"), r"response_template.json:2.*image_content.*a list"),
        (lambda records: records[1].update(image_id="id0"), r"image_id: was used before"),
    ],
)
def test_a_wrong_record_is_named(change, message: str, tmp_path: Path) -> None:
    file = write_mmhal(tmp_path / "mmhal", 4) / "response_template.json"
    records = json.loads(file.read_text())
    change(records)
    file.write_text(json.dumps(records))
    with pytest.raises(RecordError, match=message):
        MmHal("mmhal").load(QuestionFiles(str(tmp_path / "mmhal")))
