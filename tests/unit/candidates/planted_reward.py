"""A small run whose MAS is linear in the hidden states of the model that wrote the answers: a head can learn it."""

from pathlib import Path
from typing import Any

import torch

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.candidates import sampling
from groundtune.candidates.reward.pools import read_answers, states_of
from groundtune.images import ImageStore
from groundtune.prompts import prepare
from groundtune.settings import RewardSettings, SelectionSettings
from groundtune.vlm.loader import load_vlm
from tests.tiny_checkpoints import tiny_llava
from tests.unit.small_run import SAMPLING, write_prompts

PROMPTS = 40
SELECTION = {"held_out_share": 0.5, "require_finished": False, "margin": 0.01, "score_by": "reward"}
REWARD = {"prompts_per_part": 8, "margin": 0.02, "feature_cache": 0}


def planted_world(root: Path) -> Path:
    """root holds llava/, images/, and the artifacts prompts/, candidates/ and scores/."""
    tiny_llava(root / "llava")
    prepare.run(str(write_prompts(root, PROMPTS)), str(root), str(root / "llava"), root / "prompts", {})
    sampling.run(root / "prompts", str(root), str(root / "llava"), root / "candidates", SAMPLING)
    carried = ("prompt_id", "candidate_id", "text", "token_ids", "multiplicity", "finished")
    rows = [
        {
            **{name: row[name] for name in carried},
            "mas": 0.5,
            "scorers": {"contrastive": 0.25},
            "worst_sentence": "w",
            "confidence": -1.0,
            "pool_entropy": 1.0,
        }
        for row in read_artifact(root / "candidates", "candidates").rows()
    ]
    unscored = written(root / "unscored", rows)
    _, answers = read_answers(read_artifact(root / "prompts", "prompts"), unscored, SelectionSettings())
    found, _ = states_of(load_vlm(root / "llava"), answers.pools, ImageStore(str(root)), RewardSettings())
    planted = found @ torch.randn(found.shape[1], generator=torch.Generator().manual_seed(3))
    places = planted.argsort().argsort() / len(planted)
    mas = dict(zip(answers.ids, places.tolist(), strict=True))
    written(root / "scores", [{**row, "mas": mas[row["candidate_id"]]} for row in rows])
    return root


def written(path: Path, rows: list[dict[str, Any]]) -> Artifact:
    """A scores artifact."""
    writer = ArtifactWriter(path, "scores", {}, {})
    writer.write_part(0, rows)
    return writer.finish(len(rows))
