"""measure_drift: raw scores and confidences of a round against the first that was done."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.artifact_writing import ArtifactWriter
from groundtune.digests import digest_of
from groundtune.retraining import drifting
from groundtune.rounds.intake import DONE, FAILED, Rounds


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A function that lives through a round: its scores are uniform on [shift, shift + 1]."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    rounds = Rounds(str(tmp_path / "rounds"))

    def lived(shift: float, end: str = DONE, scorer: str = "contrastive", **settings: Any) -> dict[str, Any]:
        number = len(list(inbox.iterdir()))
        (inbox / f"{number}.jsonl").write_text(json.dumps({"id": number, "image": "a", "instruction": "b"}) + "\n")
        opened = rounds.open(str(inbox))
        assert opened is not None
        shards = [_scored(tmp_path / f"{number}-{index}", shift, scorer, index) for index in range(2)]
        places = zip(*shards, strict=True)
        found = drifting.run(*map(list, places), rounds.root, opened.place, tmp_path / "drift.md", settings)
        rounds.end(opened, end)
        return found

    return lived


def _scored(folder: Path, shift: float, scorer: str, shard: int) -> tuple[Path, Path]:
    values = [shift + index / 100 for index in range(100)]
    ids = [{"prompt_id": f"p{shard}", "candidate_id": f"p{shard}#{index}"} for index in range(100)]
    alignment = ArtifactWriter(folder / "alignment", "alignment", {}, {"c": digest_of(shift)}, shard=(shard, 2))
    alignment.write_part(
        0, [{**one, "scorer": scorer, "raw_mean": value} for one, value in zip(ids, values, strict=True)]
    )
    confidence = ArtifactWriter(folder / "confidence", "confidence", {}, {"c": digest_of(shift)}, shard=(shard, 2))
    confidence.write_part(0, [{**one, "confidence": -value} for one, value in zip(ids, values, strict=True)])
    return alignment.finish(100).path, confidence.finish(100).path


def test_the_first_round_has_nothing_to_be_held_against(world: Any, tmp_path: Path) -> None:
    assert world(0.0) == {"warnings": []}
    assert "first round" in (tmp_path / "drift.md").read_text()


def test_a_round_like_the_first_is_quiet_and_a_shifted_one_is_told(world: Any, tmp_path: Path) -> None:
    world(0.0)
    same = world(0.0)
    assert same["warnings"] == [] and same["MAS contrastive"] == {"psi": 0.0, "ks": 0.0}
    shifted = world(0.5)
    assert shifted["MAS contrastive"]["ks"] == pytest.approx(0.5, abs=0.02)
    assert shifted["confidence"]["ks"] == pytest.approx(0.5, abs=0.02)
    assert [line.partition(" is distributed")[0] for line in shifted["warnings"]] == ["MAS contrastive", "confidence"]
    assert shifted["warnings"][0] in (tmp_path / "drift.md").read_text()


def test_the_thresholds_are_settings(world: Any) -> None:
    world(0.0)
    assert world(0.5, drift_ks=0.6, drift_psi=100.0)["warnings"] == []
    assert len(world(0.1, drift_ks=0.05, drift_psi=100.0)["warnings"]) == 2


def test_a_failed_round_is_no_first_round(world: Any) -> None:
    world(0.5, end=FAILED)
    world(0.0)
    assert world(0.0)["warnings"] == []


def test_a_scorer_that_the_first_round_had_not_is_left_out(world: Any) -> None:
    world(0.0)
    assert set(world(0.0, scorer="claims")) == {"confidence", "warnings"}
