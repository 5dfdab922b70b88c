"""MFPO as a person runs it: one's own preference data with embedded images, `--preset mfpo`."""

import io
import json
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.artifacts import read_artifact
from groundtune.folder_artifacts import read_folder
from tests.pipeline.world import ROOT, command, digests, environment, start, write_world

pytestmark = pytest.mark.pipeline


def rlhf_v(number):
    stream = io.BytesIO()
    Image.effect_noise((40, 40), 20 + 9 * number).convert("RGB").save(stream, "PNG")
    said = {"question": "What is there?", "chosen": f"A cup and {number} dogs.", "rejected": "A cup and a banana."}
    return {"idx": number, "image": {"bytes": stream.getvalue(), "path": "gone.jpg"}, "text": json.dumps(said)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = write_world(tmp_path_factory.mktemp("world"))
    rows = [rlhf_v(number) for number in range(7)]
    rows.append({**rlhf_v(7), "text": json.dumps({"question": "?", "chosen": "Same.", "rejected": "Same."})})
    pq.write_table(pa.Table.from_pylist(rows), root / "preferences.parquet")
    return root


OPTIONS = (
    "--preset", "mfpo", "--set", "prepare.max_rejected_share=0.2", "--set", "image_preference.least_score=0",
    "--set", "probe.questions=4", "--set", "probe.captions=2", "--set", "probe.pairs=3",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    work = tmp_path_factory.mktemp("finished")
    more = ("--set", f"prompts={world / 'preferences.parquet'}", *OPTIONS)
    return work, start(world, work, *more), more


def artifact(work, kind):
    found = [file.parent for file in (work / "artifacts").rglob("manifest.json")]
    return [path for path in found if json.loads((path / "manifest.json").read_text())["kind"] == kind]


def test_preferences_become_pairs_images_and_an_adapter_and_nothing_is_lost(finished):
    work, output, _ = finished
    assert "8 rows -> 7 prompts, 7 with a preference (1 rejected)" in output
    (prompts,), (pairs,) = artifact(work, "prompts"), artifact(work, "pairs")
    refused = read_artifact(prompts, "prompts").rejected()
    assert [(row["id"], row["reason"]) for row in refused] == [("7", "rejected")]
    chosen = [row["chosen"] for row in read_artifact(pairs, "pairs").rows()]
    assert chosen == [f"A cup and {number} dogs." for number in range(7)]
    images = [read_artifact(path, "image_pairs") for path in artifact(work, "image_pairs")]
    assert sum(map(len, images)) == 7 and len(images) == 2, "a part a shard"
    places = json.loads((work / "result.json").read_text())
    results = read_folder(places["adapter"], "adapter").results
    assert results["pairs"] == results["image_pairs"] == 7
    assert "final_reward_image_gap" in results


def test_the_curriculum_and_the_probe_are_in_the_run(finished):
    work, output, _ = finished
    (pairs,) = artifact(work, "pairs")
    assert {row["curriculum_stage"] for row in read_artifact(pairs, "pairs").rows()} == {1, 2, 3}
    assert "in 3 stages" in output
    assert len(artifact(work, "probe")) == 2, "before and after training"


def test_the_same_command_again_computes_nothing(finished, world):
    work, _, more = finished
    before = digests(work)
    output = start(world, work, *more)
    assert digests(work) == before and "prefer_images" not in output and "train_dpo" not in output


def test_without_preferences_preflight_says_so(world, tmp_path):
    done = subprocess.run(
        command(world, tmp_path, *OPTIONS), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "setting 'selection.source' is 'given'" in done.stdout and "prepare_prompts" not in done.stdout
