"""MME: both published layouts, the official parser to the digit, scores computed by hand, and partial sets."""

from pathlib import Path

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.results import results_of
from groundtune.benchmarks.suite.mme import Mme, official_reading
from groundtune.benchmarks.suite.mme_files import COGNITION, PERCEPTION, TASKS
from groundtune.errors import RecordError, SettingError

PAIR = "Is there a dog? Please answer yes or no.\tYes\nIs there a cat? Please answer yes or no.\tNo\n"


def load(folder: Path) -> list[Question]:
    return Mme("mme").load(QuestionFiles(str(folder)))


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def table(*images: str) -> str:
    return "".join(f"{image}\t{line}\n" for image in images for line in PAIR.splitlines())


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("Yes", "yes"),
        ("no", "no"),
        ("NO!", "no"),
        ("Yes, there is.", "yes"),
        ("Not sure", "no"),  # "no" is in its first four characters
        ("know", "no"),
        ("None", "no"),
        ("Eyes", "yes"),
        ("Yesno", "yes"),
        ("no, yes", "no"),
        ("\n\nNo", "no"),
        ("\n\n\nNo", "other"),  # of no only the n is among the first four
        ("It is: yes", "other"),
        ("The answer is no", "other"),
        ("", "other"),
        ("Ｎｏ", "other"),
        ("y e s", "other"),
        ("YEſ", "other"),
    ],
)
def test_the_official_parser_reads_four_characters(answer: str, read: str) -> None:
    assert official_reading(answer) == read


def answered(task: str, *pairs: tuple[str, str], name: str = "mme") -> list[Answered]:
    """Images of a task with the answers to their two questions, of which the first is to be affirmed."""
    mme = Mme(name)
    rows = []
    for i, pair in enumerate(pairs):
        for number, (truth, answer) in enumerate(zip(("yes", "no"), pair, strict=True), 1):
            question = Question(name, f"{task}/{i}/{number}", f"{task}/{i}.jpg", "?", truth, "yes_no", task)
            rows.append(Answered(question, answer, mme.parse(question, answer)))
    return rows


def figures(rows: list[Answered], reading: str = "official") -> dict[str, float]:
    mme = Mme("mme")
    totals = {name: column.sum() for name, column in mme.score(rows, reading).columns.items()}
    return {name: round(float(value), 6) for name, value in mme.metrics(totals).items()}


def test_scores_match_a_table_computed_by_hand() -> None:
    rows = answered("existence", ("Yes", "No"), ("Yes", "Yes"), ("The answer is yes", "NO."), ("No", "Yes"))
    rows += answered("OCR", ("Yes", "No"), ("Yes", "No"))
    assert figures(rows) == {
        "perception_partial": 100 * 4 / 8 + 100 * 1 / 4 + 200,
        "accuracy": round(8 / 12, 6),  # "The answer is yes" is neither, and wrong
        "yes_ratio": 0.5,
        "unparsed": round(1 / 12, 6),
        "existence.accuracy": 0.5,
        "existence.accuracy_plus": 0.25,
        "existence.score": 75.0,
        "OCR.accuracy": 1.0,
        "OCR.accuracy_plus": 1.0,
        "OCR.score": 200.0,
    }


def test_the_strict_reading_asks_for_the_word_and_not_for_four_characters() -> None:
    rows = answered("count", ("Eyes", "Not sure"), ("  \n\nYes", "**No**"))
    assert figures(rows)["count.score"] == 100 * 3 / 4 + 100 * 1 / 2  # official: the second "yes" is too late
    assert figures(rows, "strict")["count.score"] == 100 * 2 / 4 + 100 * 1 / 2


def test_a_whole_set_reaches_2000_and_800_and_a_part_of_it_is_called_a_part() -> None:
    whole = [row for task in TASKS for row in answered(task, ("Yes", "No"))]
    found = figures(whole)
    assert found["perception"] == 2000 and found["cognition"] == 800 and len(PERCEPTION + COGNITION) == 14
    assert not {"perception_partial", "cognition_partial"} & set(found)
    part = figures([row for row in whole if row.question.category not in ("OCR", *COGNITION)])
    assert part["perception_partial"] == 1800 and not {"perception", "cognition", "cognition_partial"} & set(part)


def test_every_metric_says_which_direction_is_better() -> None:
    mme = Mme("mme")
    found = figures([row for task in TASKS for row in answered(task, ("Yes", "No"))])
    assert {metric for metric in found if not mme.direction(metric)} == {"yes_ratio"}
    assert mme.direction("existence.score") == mme.direction("perception_partial") == "higher"


def test_a_picture_that_two_tasks_ask_about_makes_two_pairs_and_one_unit() -> None:
    rows = [
        Answered(Question("mme", f"{task}/a.png/{n}", "a.png", "?", truth, "yes_no", task), answer, answer)
        for task, answers in (("count", ("yes", "no")), ("color", ("yes", "yes")))
        for n, (truth, answer) in enumerate(zip(("yes", "no"), answers, strict=True), 1)
    ]
    counts = Mme("mme").score(rows)
    assert counts.units == ("a.png",)
    assert figures(rows)["count.score"] == 200.0 and figures(rows)["color.score"] == 50.0


def test_a_pair_of_which_half_is_missing_counts_for_accuracy_only() -> None:
    rows = answered("scene", ("Yes", "Yes"), ("Yes", "No"))[:3]
    assert figures(rows)["scene.accuracy"] == round(2 / 3, 6) and figures(rows)["scene.accuracy_plus"] == 0.0


def test_intervals_and_the_reading_by_likelihood_come_with_the_results() -> None:
    rows = [
        Answered(row.question, row.answer, row.parsed, p_yes=0.9 if row.question.truth == "yes" else 0.6)
        for row in answered("existence", *[("Yes", "No"), ("No", "No")] * 10)
    ]
    entry = results_of({"mme": rows}, Resampling(100, 0.95, 0))["benchmarks"]["mme"]
    found = entry["metrics"]["existence.score"]
    assert found["low"] < found["value"] == 125.0 < found["high"]
    assert entry["p_yes"]["existence.score"]["value"] == 50.0 and entry["strict"]["accuracy"]["value"] == 0.75
    assert (entry["questions"], entry["images"]) == (40, 20)


def test_task_files_are_read_with_their_pairs(tmp_path: Path) -> None:
    """The layout of the result files, with and without a fourth column."""
    answers = table("1.png", "b.png").replace("\tNo\n", "\tNo\tno, sir\n").replace("\n", "\r\n")
    write(tmp_path, color_txt=table("1.png"), existence_txt=answers, notes_txt="x")
    questions = load(tmp_path)
    assert [question.question_id for question in questions] == [
        "existence/1.png/1", "existence/1.png/2", "existence/b.png/1", "existence/b.png/2",
        "color/1.png/1", "color/1.png/2",
    ]  # fmt: skip
    first = questions[0]
    assert (first.image, first.truth, first.kind, first.category) == ("1.png", "yes", "yes_no", "existence")
    assert first.text == "Is there a dog? Please answer yes or no."
    assert [question.truth for question in questions] == ["yes", "no"] * 3


@pytest.mark.parametrize("name", ["existence", "OCR"])
def test_one_task_file_can_be_asked_alone(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{f"{name}_txt": table("1.png")})
    assert [question.category for question in load(tmp_path / f"{name}.txt")] == [name, name]


def test_task_folders_are_read_with_the_images_that_they_hold(tmp_path: Path) -> None:
    """Some published folders keep texts and images apart, in others they lie side by side."""
    write(
        tmp_path,
        artwork__questions_answers_YN__1_txt=PAIR,
        artwork__images__1__x="",
        count__7_txt=PAIR,
        count__8_txt=PAIR,
        count__9_txt=PAIR.rstrip(),
        readme_txt="MME",
    )
    for image in ("artwork/images/1.png", "count/7.jpg", "count/8.png", "count/.7.txt"):
        (tmp_path / image).write_bytes(b"")
    questions = load(tmp_path)
    assert [question.image for question in questions[::2]] == [
        "count/7.jpg", "count/8.png", "count/9.jpg", "artwork/images/1.png",
    ]  # fmt: skip
    assert [question.question_id for question in questions[-2:]] == ["artwork/1/1", "artwork/1/2"]


def test_task_files_find_their_images_in_task_folders(tmp_path: Path) -> None:
    write(tmp_path, OCR_txt=table("1.jpg", "2.jpg", "3.jpg"), OCR__images__1_txt="x")
    for image in ("OCR/images/1.jpg", "OCR/2.jpg"):
        (tmp_path / image).write_bytes(b"")
    assert [question.image for question in load(tmp_path)[::2]] == ["OCR/images/1.jpg", "OCR/2.jpg", "3.jpg"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"color_txt": table("a.png") + "a.png\tWhy?\tNo\n"},
            r'color.txt id="color/a.png": questions: has 3 questions',
        ),
        ({"color_txt": "a.png\tWhy?\tNo\n"}, r'color.txt id="color/a.png": questions: has 1 questions, expected 2'),
        ({"color_txt": table("a.png", "b.png", "a.png")}, r"color.txt:5 .*image: was asked about before"),
        ({"color_txt": "a.png\tWhy?\tMaybe\n"}, r"color.txt:1 .*truth: is 'Maybe', expected Yes or No"),
        ({"color_txt": "a.png Why? No\n"}, r"color.txt:1 .*has 1 fields, expected image, question and truth"),
        ({"color_txt": "a.png\t\tNo\n"}, r"color.txt:1 .*question: is empty"),
        ({"color__a_txt": PAIR + PAIR}, r'color/a.txt id="color/a": questions: has 4 questions, expected 2'),
        ({"color__a_txt": ""}, r'color/a.txt id="color/a": questions: has 0 questions'),
        ({"color__a_txt": "Why? No\n"}, r"color/a.txt:1 .*has 1 fields, expected question and truth"),
    ],
)
def test_wrong_questions_are_named_with_file_line_and_image(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(RecordError, match=message):
        load(write(tmp_path, **files))


def test_a_folder_without_a_task_and_a_task_in_both_layouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least one of MME's tasks .existence, count"):
        load(write(tmp_path / "none", colour_txt=table("a.png")))
    with pytest.raises(SettingError, match="color.txt or color/a.txt, not both"):
        load(write(tmp_path / "both", color_txt=table("a.png"), color__a_txt=PAIR))


def test_the_demo_world_writes_files_that_load(tmp_path: Path) -> None:
    from groundtune.demo.dataset import write_demo

    done = write_demo(tmp_path, prompts=1, evaluation=6, seed=3)
    questions = load(tmp_path / "eval/mme")
    assert len(questions) == done.mme_questions
    assert {question.category for question in questions} == {"existence", "count", "position", "color"}
