"""The align pipeline in real containers, as restricted as on a cluster: the same digests as without containers."""

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker.types import Mount
from kfp import local

from pipelines import config
from pipelines.align import align
from pipelines.local import GPUS
from tests.container import planted
from tests.container.conftest import RESTRICTED, open_umask
from tests.container.engine import Engine
from tests.pipeline.world import ROOT, command, digests, environment, write_world

# float32 sums depend on how many threads share them: alike on both sides, or the digests need not be.
THREADS = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs that the container's user, who owns nothing here, may read."""
    root = write_world(tmp_path_factory.mktemp("world"))
    subprocess.run(["chmod", "-R", "a+rX", str(root)], check=True)
    return root


@pytest.fixture(scope="module")
def in_processes(
    world: Path, builds: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Work folder and output of the run as a person starts it, with secrets in the environment; images are built
    meanwhile."""
    work = tmp_path_factory.mktemp("processes")
    done = subprocess.run(
        command(world, work, "--verbose"), cwd=ROOT, env={**environment(), **THREADS, **planted.ENVIRONMENT},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return work, done.stdout + done.stderr


@pytest.fixture(scope="module")
def in_containers(
    world: Path, engine: Engine, light_image: str, stage_image: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Work folder and output of the same run by kfp's DockerRunner: no root, no network, nothing writable but outputs.

    A tracking server would need a network, a database file MLflow's whole package in the light image: no tracking.
    """
    work = tmp_path_factory.mktemp("containers")
    (work / "artifacts").mkdir()
    (work / "artifacts").chmod(0o777)
    given: dict[str, Any] = {
        "environment": {**THREADS, **planted.ENVIRONMENT, "GROUNDTUNE_RUN_ID": "containers"},
        "mounts": [Mount(target=str(world), source=str(world), type="bind", read_only=True)],
    }
    arguments = config.load(config.AlignConfig, str(world / "config.yaml")).arguments()
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, open_umask():
        if engine.host:
            patch.setenv("DOCKER_HOST", engine.host)
        local.init(local.DockerRunner(**RESTRICTED, **given), pipeline_root=str(work / "artifacts"))
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                align(**{**arguments, **dict.fromkeys(GPUS, "0")})
        except RuntimeError as error:
            raise AssertionError(said.getvalue()[-6000:]) from error
    return work, said.getvalue()


def test_every_artifact_made_in_containers_has_the_digest_of_the_one_made_without(
    in_processes: tuple[Path, str], in_containers: tuple[Path, str]
) -> None:
    """Pairs, adapter, answers and all between them; the adapter is float32 and equal to the bit."""
    there, here = digests(in_containers[0]), digests(in_processes[0])

    kinds = {kind for kind, _, _ in here}
    assert {"prompts", "candidates", "scores", "pairs", "adapter", "answers"} <= kinds
    assert there == here


def test_every_file_of_the_run_was_written_by_the_images_user(in_containers: tuple[Path, str]) -> None:
    manifests = list(in_containers[0].rglob("manifest.json"))
    assert len(manifests) > 10
    assert {os.stat(file).st_uid for file in manifests} == {10001}


def test_no_log_artifact_or_tracking_database_of_a_run_holds_a_secret(
    in_processes: tuple[Path, str], in_containers: tuple[Path, str]
) -> None:
    for work, said in (in_processes, in_containers):
        assert "train_dpo" in said and planted.in_text(said) == []
        assert planted.in_folder(work) == []
    assert (in_processes[0] / "mlflow.db").stat().st_size > 0


def test_a_secret_in_a_log_artifact_or_database_would_be_found(tmp_path: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("one"))
    client.set_tag(run.info.run_id, "command", f"--key {planted.CANARY}")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "manifest.json").write_text(json.dumps({"settings": planted.ENVIRONMENT}))
    (tmp_path / "artifacts" / "across.bin").write_bytes(b"x" * ((1 << 20) - 7) + planted.CANARY.encode())

    found = {Path(place).name for place in planted.in_folder(tmp_path)}

    assert {"manifest.json", "across.bin", "mlflow.db"} <= found
    assert planted.in_text(f"a line\nAWS_SECRET_ACCESS_KEY={planted.CANARY}\n") != []
