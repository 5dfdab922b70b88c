"""Win rates by a judge: both orders, ties half, what no verdict came for is counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.pairwise import PROMPT, model_of, pairs_of, read_winner
from groundtune.benchmarks.preference import figures_of, run
from groundtune.benchmarks.question import Question
from groundtune.errors import ArtifactError, JudgeError, SettingError
from groundtune.settings import JudgeSettings
from tests.scripted_judge import Asked, Say, scripted_judge
from tests.unit.benchmarks.judge.requests import settings_of
from tests.unit.benchmarks.judged_worlds import write_answers

FEW = Resampling(200)


def questions_of(count: int, text: str = "Describe picture {}.") -> list[Question]:
    """Two questions an image; every fifth is yes/no and not compared."""
    return [
        Question("chair", str(at), f"{at // 2}.png", text.format(at), ["cup", "dog"], "caption")
        if at % 5
        else Question("pope_random", str(at), f"{at // 2}.png", "Is there a cup?", "yes", "yes_no")
        for at in range(count)
    ]


def two_evaluations(folder: Path, count: int = 40) -> tuple[Artifact, Artifact]:
    questions = questions_of(count)
    base = [f"base says {at}" for at in range(count)]
    aligned = [f"aligned says {at}" for at in range(count)]
    return write_answers(folder / "base", questions, base), write_answers(folder / "aligned", questions, aligned)


def places(asked: Asked) -> tuple[str, str]:
    """Which model the judge sees as A and B."""
    base_first = asked.text.index("base says") < asked.text.index("aligned says")
    return ("base", "aligned") if base_first else ("aligned", "base")


def prefers(model: str) -> Callable[[Asked], Say]:
    return lambda asked: Say(f"It is better.\nWinner: {'AB'[places(asked).index(model)]}")


@pytest.mark.parametrize(
    ("reply", "winner"),
    [
        ("Because.\nWinner: A", "A"),
        ("winner: b", "B"),
        ("**Winner:** tie", "tie"),
        ("Winner: **B**", "B"),
        ("Winner: A\nWinner: A", "A"),
        ("Winner: A or Winner: B", None),
        ("Winner: Answer A", None),
        ("Winner: Apple", None),
        ("A", None),
        ("", None),
    ],
)
def test_exactly_one_winner_is_a_verdict(reply: str, winner: str | None) -> None:
    assert read_winner(reply) == winner


def test_a_judge_that_repeats_its_task_gives_no_verdict() -> None:
    assert read_winner(PROMPT) is None


def test_a_win_is_of_a_model_whatever_its_place() -> None:
    assert [model_of(word, "base_first") for word in ("A", "B", "tie", "")] == ["base", "aligned", "tie", ""]
    assert [model_of(word, "aligned_first") for word in ("A", "B", "tie", "")] == ["aligned", "base", "tie", ""]


def preferred(base: Artifact, aligned: Artifact, judge: JudgeSettings, out: Path) -> dict[str, Any]:
    return run(base.path, aligned.path, out, judge, resampling=FEW).results


def test_a_judge_that_always_prefers_one_model_gives_it_every_pair(tmp_path: Path) -> None:
    base, aligned = two_evaluations(tmp_path)
    with scripted_judge(lambda asked, before: prefers("aligned")(asked)) as server:
        found = preferred(base, aligned, settings_of(server, tmp_path / "cache"), tmp_path / "out")
        assert len(server.asked) == 64, "32 captions in both orders, no yes/no question"
    assert found["win_rate"]["value"] == found["win_rate"]["low"] == found["win_rate"]["high"] == 1.0
    assert found["win_rate"]["p"] < 0.02
    assert found["flipped"]["value"] == 0.0 and found["first_place"]["value"] == 0.5
    assert (found["pairs"], found["judged"], found["wins"], found["ties"], found["losses"]) == (32, 32, 32, 0, 0)
    assert found["usage"]["requests"] == 64 and found["identity"]["judge"]["model"] == "tiny"


def test_a_judge_that_always_prefers_the_first_place_gives_half_and_is_found_out(tmp_path: Path) -> None:
    base, aligned = two_evaluations(tmp_path)
    with scripted_judge(Say("Winner: A")) as server:
        found = preferred(base, aligned, settings_of(server, tmp_path / "cache"), tmp_path / "out")
    assert found["win_rate"]["value"] == 0.5 and found["win_rate"]["p"] > 0.9
    assert found["flipped"]["value"] == 1.0 and found["first_place"]["value"] == 1.0
    assert (found["wins"], found["ties"], found["losses"]) == (0, 32, 0)


def test_swapping_the_models_mirrors_the_win_rate(tmp_path: Path) -> None:
    def script(asked, before):
        number = int(asked.text.partition("Describe picture ")[2].partition(".")[0])
        return prefers("aligned" if number % 3 else "base")(asked) if number % 4 else Say("Winner: tie")

    base, aligned = two_evaluations(tmp_path)
    with scripted_judge(script) as server:
        judge = settings_of(server, tmp_path / "cache")
        one = preferred(base, aligned, judge, tmp_path / "one")
        two = preferred(aligned, base, judge, tmp_path / "two")
    assert one["win_rate"]["value"] == pytest.approx(1.0 - two["win_rate"]["value"])
    assert one["win_rate"]["low"] < one["win_rate"]["value"] < one["win_rate"]["high"]
    assert one["win_rate"]["p"] == two["win_rate"]["p"]
    assert (one["wins"], one["ties"], one["losses"]) == (two["losses"], two["ties"], two["wins"])
    assert one["ties"] == 8
    expected = (one["wins"] + one["ties"] / 2) / 32
    assert one["win_rate"]["value"] == pytest.approx(expected)


def test_the_same_answer_is_a_tie_that_nobody_pays_for(tmp_path: Path) -> None:
    questions = questions_of(20)
    said = [f"base says {at}" if at in (1, 2, 19) else "A cup." for at in range(20)]
    other = [f"aligned says {at}" if at in (1, 2, 19) else "A cup.\n" for at in range(20)]
    base = write_answers(tmp_path / "base", questions, said)
    aligned = write_answers(tmp_path / "aligned", questions, other)
    with scripted_judge(lambda asked, before: prefers("aligned")(asked)) as server:
        made = run(tmp_path / "base", tmp_path / "aligned", tmp_path / "out", settings_of(server, tmp_path / "cache"))
        assert len(server.asked) == 6
    rows = list(made.rows())
    assert [(row["question_id"], row["order"]) for row in rows] == [
        (str(at), order) for at in range(20) if at % 5 for order in ("base_first", "aligned_first")
    ]
    assert {row["question_id"] for row in rows if row["winner"] == "aligned"} == {"1", "2", "19"}
    assert made.results["win_rate"]["value"] == pytest.approx((3 + 13 / 2) / 16)
    assert made.results["identical"] == 13
    assert base.digest == made.manifest["parents"]["base"] and aligned.digest == made.manifest["parents"]["aligned"]
    assert list(read_artifact(tmp_path / "out", "judgements").rows()) == rows


def test_a_pair_without_a_verdict_in_one_order_is_counted_and_in_no_rate(tmp_path: Path) -> None:
    def script(asked, before):
        if "picture 1." in asked.text and places(asked) == ("aligned", "base"):
            return Say("I cannot choose.")
        return prefers("base")(asked)

    base, aligned = two_evaluations(tmp_path, 10)
    with scripted_judge(script) as server:
        settings = settings_of(server, tmp_path / "cache", malformed_attempts=1)
        made = run(base.path, aligned.path, tmp_path / "out", settings)
    results = made.results
    assert (results["pairs"], results["judged"], results["unjudged"], results["losses"]) == (8, 7, 1, 7)
    assert results["win_rate"]["value"] == 0.0
    (unjudged,) = [row for row in made.rows() if not row["winner"]]
    assert (unjudged["question_id"], unjudged["order"]) == ("1", "aligned_first")
    assert "no verdict can be read" in unjudged["problem"] and unjudged["reply"] == "I cannot choose."


def test_without_a_judged_pair_there_are_counts_and_no_rate() -> None:
    row = {"benchmark": "chair", "question_id": "1", "image": "i", "winner": "", "reply": "", "order": "base_first"}
    found = figures_of([row, {**row, "order": "aligned_first", "winner": "tie"}])
    assert found["unjudged"] == 1 and "win_rate" not in found


def test_a_failed_comparison_goes_on_from_what_was_judged(tmp_path: Path) -> None:
    base, aligned = two_evaluations(tmp_path, 20)
    with scripted_judge(
        lambda asked, before: Say(status=500) if "picture 7." in asked.text else Say("Winner: A")
    ) as server:
        settings = settings_of(server, tmp_path / "cache", max_attempts=1)
        with pytest.raises(JudgeError, match='id="chair/7'):
            run(base.path, aligned.path, tmp_path / "out", settings)
        assert not (tmp_path / "out").exists()
        server.script = lambda asked, before: Say("Winner: A")
        asked_before = len(server.asked)
        run(base.path, aligned.path, tmp_path / "out", settings)
        assert len(server.asked) - asked_before == 2


def test_the_judge_is_told_what_is_known_of_the_picture_unless_that_is_unwanted(tmp_path: Path) -> None:
    base, aligned = two_evaluations(tmp_path, 4)
    told = next(pairs_of(base, aligned)).request("base_first").messages[0]["content"]
    untold = next(pairs_of(base, aligned, with_reference=False)).request("base_first").messages[0]["content"]
    assert "cup, dog" in told and "cup, dog" not in untold
    assert "You cannot see the picture." in untold and "{" not in told + untold


def test_answers_to_other_questions_or_images_are_not_compared(tmp_path: Path) -> None:
    questions = questions_of(6)
    said = ["x"] * 6
    base = write_answers(tmp_path / "base", questions, said)
    for name, other in (
        ("question", write_answers(tmp_path / "question", questions_of(6, "Tell of {}."), said)),
        ("image", write_answers(tmp_path / "image", questions, said, image="other")),
        ("fewer", write_answers(tmp_path / "fewer", questions[:3], said[:3])),
    ):
        with pytest.raises(ArtifactError, match="chair/.*do not hold answers to the same question"):
            list(pairs_of(base, other))
        assert other.path.name == name
    closed = write_answers(tmp_path / "closed", questions[:1], said[:1])
    with pytest.raises(ArtifactError, match="no answer of kind caption or open"):
        list(pairs_of(closed, closed))


def test_without_a_judge_the_comparison_is_refused_by_name(tmp_path: Path) -> None:
    base, aligned = two_evaluations(tmp_path, 4)
    with pytest.raises(SettingError, match=r"judge\.base_url"):
        run(base.path, aligned.path, tmp_path / "out", {})
