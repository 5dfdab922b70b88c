"""images/sampler-vllm, its CPU variant: built from its Dockerfile, it samples under the restrictions of a cluster.

Several GB are fetched and unpacked, so these tests run on request: GROUNDTUNE_SAMPLER_IMAGE=1 make container.
"""

import json
import os
from pathlib import Path

import pytest

from bench.padded_heads import pad_heads
from components import images
from groundtune.artifacts import read_artifact
from groundtune.candidates import sampling
from groundtune.prompts import prepare
from tests.container.engine import Engine
from tests.tiny_checkpoints import tiny_llava
from tests.unit.small_run import write_prompts

ROOT = Path(__file__).parents[2]
# Read before the tests' environment is cleaned.
pytestmark = pytest.mark.skipif(
    "GROUNDTUNE_SAMPLER_IMAGE" not in os.environ,
    reason="images/sampler-vllm is NOT BUILT HERE: it takes several GB; GROUNDTUNE_SAMPLER_IMAGE=1 builds and runs it",
)
GREEDY = {"num_candidates": 1, "temperature": 0.01, "top_p": 0.01, "max_new_tokens": 12, "gpu_memory_utilization": 0.1}
CALL = "import json, sys; from groundtune.candidates import sampling; sampling.run(**json.loads(sys.argv[1]))"


@pytest.fixture(scope="module")
def sampler_image(engine: Engine) -> str:
    tag = f"{images.SAMPLER}-cpu"
    engine.build("images/sampler-vllm/Dockerfile", tag, ROOT, {"VARIANT": "cpu"})
    print(f"\n{tag}: {engine.inspect(tag)['Size'] / 1e6:,.0f} MB")
    return tag


def test_it_is_not_root_and_reports_nothing(engine: Engine, sampler_image: str) -> None:
    config = engine.inspect(sampler_image)["Config"]
    assert config["User"] == "10001:10001"
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    assert environment["VLLM_NO_USAGE_STATS"] == "1" and environment["HF_HUB_OFFLINE"] == "1"


def test_it_samples_without_network_root_or_a_writable_image(
    engine: Engine, sampler_image: str, tmp_path: Path
) -> None:
    model = pad_heads(tiny_llava(tmp_path / "tiny"), tmp_path / "model", 64)
    prepare.run(str(write_prompts(tmp_path)), str(tmp_path), str(model), tmp_path / "prompts", {})
    (tmp_path / "made").mkdir()
    for one in (tmp_path, *tmp_path.rglob("*")):  # the container's user owns nothing on this machine
        one.chmod(0o777)
    arguments = {
        "prompts": "/data/prompts", "images_root": "/data", "model": "/data/model", "out": "/data/made/candidates",
        "settings": {**GREEDY, "engine": "vllm"},
    }  # fmt: skip
    engine.docker(
        "run", "--rm", "--read-only", "--tmpfs", "/tmp:size=1g,mode=1777,exec", "--network", "none", "--cap-drop",
        "ALL", "--security-opt", "no-new-privileges", "-v", f"{tmp_path}:/data", sampler_image, "python", "-c", CALL,
        json.dumps(arguments), timeout=900,
    )  # fmt: skip
    made = read_artifact(tmp_path / "made" / "candidates", "candidates")
    ours = sampling.run(tmp_path / "prompts", str(tmp_path), str(model), tmp_path / "ours", GREEDY)
    assert {row["engine"] for row in made.rows()} == {"vllm"}
    assert [row["token_ids"] for row in made.rows()] == [row["token_ids"] for row in ours.rows()]
