"""Two probes side by side: paired, and only when they asked the same. Artifacts are written by hand, no model runs."""

from pathlib import Path

import pytest

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.benchmarks.modality_probe.asking import blank_row
from groundtune.benchmarks.modality_probe.comparison import ComparedFigure, compare_probes
from groundtune.errors import ArtifactError
from groundtune.settings import ImagePreferenceSettings, ProbeSettings

PARENTS = {"model": "m", "adapter": "", "benchmark pope": "p", "finder.colour": "f"}


def question(i: int, destroyed: str, *, found: bool = True, text: str = "Is there a dog?") -> dict:
    region = {"region_area": 0.1, "answer_region": "No"} if found else {"region_missing": "not_found"}
    belief = {"p_yes": 0.9, "p_yes_destroyed": 0.8 if destroyed == "Yes" else 0.1, "p_yes_removed": 0.5}
    answers = {"answer": "Yes", "answer_destroyed": destroyed, "answer_removed": "No"}
    return {**blank_row("question", f"pope/{i}", f"{i}.png", text), **answers, **region, **belief}


def pair(i: int, dependence: float, reward: float | None) -> dict:
    rewards = {"text_reward": reward, "image_reward": reward}
    return {**blank_row("pair", f"p{i}", f"{i}.png", "Describe."), **rewards, "image_dependence": dependence}


def write(path: Path, rows: list[dict], adapter: str = "", *, kind: str = "probe", **changes: object) -> Artifact:
    probe = ProbeSettings(bootstrap_resamples=200).to_mapping() | changes
    settings = {"probe": probe, "evaluation": {"yes_no_suffix": ""},
                "image_preference": ImagePreferenceSettings().to_mapping()}  # fmt: skip
    writer = ArtifactWriter(path, kind, settings, {**PARENTS, "adapter": adapter})
    writer.write_part(0, rows)
    return writer.finish(len(rows))


def by_name(compared: list[ComparedFigure]) -> dict[str, ComparedFigure]:
    return {f"{figure.section}.{figure.name}": figure for figure in compared}


def test_the_difference_is_paired_by_question(tmp_path: Path) -> None:
    base = write(tmp_path / "a", [question(i, "Yes" if i < 8 else "No") for i in range(10)])
    aligned = write(tmp_path / "b", [question(i, "Yes" if i < 2 else "No") for i in reversed(range(10))], "lora")
    found = by_name(compare_probes(base, aligned))["question.changed_destroyed"]
    assert (found.base.value, found.aligned.value, found.rows) == (0.2, 0.8, 10)
    assert found.difference.value == pytest.approx(0.6)
    assert 0 < found.difference.low <= 0.6 <= found.difference.high <= 1 and found.difference.p < 0.1
    drop = by_name(compare_probes(base, aligned))["question.p_yes_drop_destroyed"]
    assert drop.difference.value == pytest.approx(0.7 * 0.6, abs=1e-6)


def test_a_probe_compared_with_itself_differs_by_nothing(tmp_path: Path) -> None:
    base = write(tmp_path / "a", [question(i, "Yes" if i % 2 else "No") for i in range(6)])
    for figure in compare_probes(base, base):
        assert (figure.difference.value, figure.difference.low, figure.difference.high) == (0, 0, 0)


def test_only_what_both_have_is_compared(tmp_path: Path) -> None:
    """The base model has no rewards; a figure of regions is of the questions with a region in both."""
    base = write(tmp_path / "a", [*(question(i, "No", found=i != 0) for i in range(4)), pair(9, 0.1, None)])
    aligned = write(tmp_path / "b", [*(question(i, "No", found=i != 1) for i in range(4)), pair(9, 0.4, 2.0)], "lora")
    found = by_name(compare_probes(base, aligned))
    assert found["question.changed_region"].rows == 2 and found["question.changed_destroyed"].rows == 4
    assert found["reward.image_dependence"].difference.value == pytest.approx(0.3)
    assert "reward.text" not in found and "attention.region_lift" not in found


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([question(0, "No")], "question 'pope/1': .* asked \"Is there a dog\\?\" about 1.png, .* no such question"),
        ([question(0, "No"), question(1, "No", text="Is there a cat?")], 'asked "Is there a cat\\?" about 1.png'),
        ([question(0, "No"), question(1, "No"), question(2, "No")], "'pope/2': .* asked no such question"),
    ],
)
def test_other_questions_are_refused(tmp_path: Path, rows: list[dict], message: str) -> None:
    base = write(tmp_path / "a", [question(0, "No"), question(1, "No")])
    with pytest.raises(ArtifactError, match=message):
        compare_probes(base, write(tmp_path / "b", rows, "lora"))


def test_other_settings_or_inputs_are_refused_by_name(tmp_path: Path) -> None:
    rows = [question(0, "No"), question(1, "Yes")]
    base = write(tmp_path / "a", rows)
    with pytest.raises(ArtifactError, match="probe.noise_step is 900 and 500"):
        compare_probes(base, write(tmp_path / "b", rows, "lora", noise_step=500))
    with pytest.raises(ArtifactError, match="probe.seed is 0 and 1"):
        compare_probes(base, write(tmp_path / "c", rows, "lora", seed=1))
    other = Artifact(base.path, base.manifest | {"parents": PARENTS | {"finder.colour": "another"}})
    with pytest.raises(ArtifactError, match="input 'finder.colour' is 'f' and 'another'"):
        compare_probes(base, other)
    assert compare_probes(base, write(tmp_path / "d", rows, "lora", questions_per_batch=1))


def test_something_else_than_a_probe_is_refused(tmp_path: Path) -> None:
    base = write(tmp_path / "a", [question(0, "No")])
    with pytest.raises(ArtifactError, match="holds 'image_reference', expected a modality probe"):
        compare_probes(base, write(tmp_path / "b", [], kind="image_reference"))
