"""join_seed: whose answers are whose follows from digests, and nothing is missing, doubled or asked otherwise."""

import json
from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from groundtune.comparison import answers
from groundtune.errors import ArtifactError, SettingError
from groundtune.vlm.checkpoints import checkpoint_digest
from tests.unit.comparison.worlds import PROTOCOL, Made, Skill, adapter, comparison, evaluation

SILENT, LOUD = Made("silent", Skill(0.0, 0.5)), Made("loud", Skill(1.0, 1.0), {"selection": {"mu": 0.0}})


def test_every_row_is_there_once_under_its_method_whatever_the_order(tmp_path: Path) -> None:
    made = comparison(tmp_path, 3, [SILENT, LOUD], images=12)
    rows = list(made.rows())
    assert list(dict.fromkeys(row["method"] for row in rows)) == ["", "silent", "loud"]
    assert len(rows) == 3 * 12 * 13
    said = {row["method"]: row["correct"] for row in rows if row["question_id"] == "c3"}
    assert said == {"": said[""], "silent": True, "loud": False}
    for index, name in enumerate(("silent", "loud")):
        own = read_artifact(tmp_path / f"answers-{index}", "answers")
        assert [{**row, "method": name} for row in own.rows()] == [row for row in rows if row["method"] == name]


def test_the_manifest_holds_seed_methods_word_for_word_budgets_and_lineage(tmp_path: Path) -> None:
    made = comparison(tmp_path, 3, [SILENT, LOUD], images=4)
    assert made.results["seed"] == 3
    assert [entry["method"] for entry in made.results["methods"]] == [SILENT.method, LOUD.method]
    assert made.results["methods"][1]["training"]["answer_tokens"] == 24000
    parents = made.manifest["parents"]
    assert set(parents) == {
        "base answers",
        *(f"{kind} {m}" for kind in ("adapter", "answers") for m in ("silent", "loud")),
    }
    assert parents["adapter loud"] == json.loads((tmp_path / "adapter-1" / "manifest.json").read_text())["digest"]


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    found = {"base": evaluation(tmp_path / "base", Skill(), 0, 4).path}
    for made in (SILENT, LOUD):
        found[f"adapter {made.name}"] = path = adapter(tmp_path / made.name, made, 0)
        found[made.name] = evaluation(tmp_path / f"a-{made.name}", made.skill, 0, 4, checkpoint_digest(path)).path
    return found


def joined(parts: dict[str, Path], answered: list[str], adapters: list[str], **changed: object) -> None:
    answers.run(
        parts["base"],
        [parts[name] for name in answered],
        [parts[f"adapter {name}"] for name in adapters],
        changed.get("methods", [SILENT.method, LOUD.method]),  # type: ignore[arg-type]
        0,
        parts["base"].parent / "out",
    )


BOTH = ["silent", "loud"]


@pytest.mark.parametrize(
    ("answered", "adapters", "message"),
    [
        (["silent"], BOTH, "no answers of method 'loud'"),
        (["silent", "loud", "loud"], BOTH, "came twice.*a-loud"),
        (["silent", "silent"], BOTH, "no answers of method 'loud'"),
        (BOTH, ["silent"], "no adapter of method loud"),
        (BOTH, ["silent", "loud", "loud"], "are both adapters of method 'loud'"),
    ],
)
def test_what_is_missing_or_doubled_is_named(
    parts: dict[str, Path], answered: list[str], adapters: list[str], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        joined(parts, answered, adapters)


def test_an_adapter_of_a_method_that_nobody_named_is_refused(parts: dict[str, Path]) -> None:
    with pytest.raises(ArtifactError, match="an adapter of method 'loud', expected one of the comparison's: silent"):
        joined(parts, BOTH, BOTH, methods=[SILENT.method])


def test_names_are_there_once(parts: dict[str, Path]) -> None:
    for methods in ([SILENT.method, SILENT.method], [{"trainer": "dpo"}]):
        with pytest.raises(SettingError, match="a name that no other method has"):
            joined(parts, BOTH, BOTH, methods=methods)


def test_answers_under_another_protocol_are_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    weights = checkpoint_digest(parts["adapter loud"])
    other = PROTOCOL | {"yes_no_suffix": "Answer with one word."}
    parts["loud"] = evaluation(tmp_path / "other", LOUD.skill, 0, 4, weights, protocol=other).path
    with pytest.raises(ArtifactError, match="were not evaluated alike: yes_no_suffix"):
        joined(parts, BOTH, BOTH)


def test_answers_to_other_questions_are_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    weights = checkpoint_digest(parts["adapter loud"])
    parts["loud"] = evaluation(tmp_path / "other", LOUD.skill, 0, 5, weights).path
    with pytest.raises(ArtifactError, match="c4.*no such question"):
        joined(parts, BOTH, BOTH)


def test_a_base_that_was_trained_is_refused(parts: dict[str, Path]) -> None:
    parts["base"] = parts["silent"]
    with pytest.raises(ArtifactError, match="answers of an adapter, expected those of the model without one"):
        joined(parts, BOTH, BOTH)


def test_two_methods_of_the_very_same_weights_share_what_was_answered(tmp_path: Path) -> None:
    """A setting that changes no pair trains the same adapter twice."""
    paths = [adapter(tmp_path / made.name, made, 0, "same") for made in (SILENT, LOUD)]
    weights = {checkpoint_digest(path) for path in paths}
    assert len(weights) == 1
    base = evaluation(tmp_path / "base", Skill(), 0, 4)
    twice = [evaluation(tmp_path / f"a{i}", Skill(), 0, 4, *weights).path for i in range(2)]
    made = answers.run(base.path, twice, paths, [SILENT.method, LOUD.method], 0, tmp_path / "out")
    assert len(made) == 3 * 4 * 13
