"""images/light: built from the checkout and used the way a cluster uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

import groundtune
from components import images
from components.select_pairs.component import select_pairs
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import read_artifact
from groundtune.preferences import selection
from groundtune.settings import SelectionSettings
from tests.container.conftest import ROOT
from tests.container.engine import Engine


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def look_around(seen: dsl.Output[dsl.Artifact]):
    """What a task may do in this image, written down as JSON."""
    import importlib.util
    import json
    import os
    import pathlib
    import socket

    def refused(action) -> bool:
        try:
            action()
        except OSError:
            return True
        return False

    import groundtune

    found = {
        "uid": os.getuid(),
        "version": groundtune.__version__,
        "has_torch": importlib.util.find_spec("torch") is not None,
        "root_is_read_only": refused(lambda: pathlib.Path("/opt/groundtune/probe").write_text("x")),
        "tmp_is_writable": not refused(lambda: pathlib.Path("/tmp/probe").write_text("x")),
        "has_no_network": refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=2)),
    }
    pathlib.Path(seen.path).write_text(json.dumps(found))


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def refuse_a_setting():
    """Fails the way a stage fails."""
    from groundtune.errors import SettingError

    raise SettingError("margin", 2.0, "at most 1")


def test_the_image_names_a_user_by_number_who_is_not_root(engine: Engine, light_image: str) -> None:
    uid, _, gid = engine.inspect(light_image)["Config"]["User"].partition(":")
    assert int(uid) >= 1000
    assert int(gid) >= 1000


def test_the_image_carries_the_library_and_no_torch_and_no_secret(engine: Engine, light_image: str) -> None:
    run = ["run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", light_image]
    assert engine.docker(*run).stdout.strip() == groundtune.__version__
    assert engine.docker(*run, "python", "-c", "import torch", check=False).returncode != 0
    assert not any("SECRET" in entry or "PASSWORD" in entry for entry in engine.inspect(light_image)["Config"]["Env"])


def test_the_image_carries_every_file_of_the_library(engine: Engine, light_image: str) -> None:
    """Templates, presets and checkpoints too: package data that setuptools was not told of would be missing."""
    listing = (
        "import groundtune, json, pathlib; root = pathlib.Path(groundtune.__file__).parent; "
        "print(json.dumps([str(f.relative_to(root)) for f in root.rglob('*') if f.is_file()]))"
    )
    printed = engine.docker("run", "--rm", "--network", "none", light_image, "python", "-c", listing).stdout

    library = ROOT / "groundtune"
    ours = {str(file.relative_to(library)) for file in library.rglob("*") if file.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= set(json.loads(printed))


def test_a_task_runs_without_root_without_a_writable_image_and_without_network(
    light_image: str, run_in_container: Callable[..., Any]
) -> None:
    @dsl.pipeline
    def looking() -> dsl.Artifact:
        return look_around().outputs["seen"]

    found = json.loads(Path(run_in_container(looking).output.path).read_text())

    assert found == {
        "uid": 10001,
        "version": groundtune.__version__,
        "has_torch": False,
        "root_is_read_only": True,
        "tmp_is_writable": True,
        "has_no_network": True,
    }


def test_a_failing_task_fails_the_run(
    light_image: str, run_in_container: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    @dsl.pipeline
    def failing() -> None:
        refuse_a_setting()

    with pytest.raises(RuntimeError, match=r"Inner task failed: .*refuse-a-setting"):
        run_in_container(failing)
    printed = capfd.readouterr()
    assert "setting 'margin' is 2.0: expected at most 1" in printed.out + printed.err


def test_select_pairs_gives_in_the_container_what_it_gives_here(
    light_image: str, run_in_container: Callable[..., Any], tmp_path: Path
) -> None:
    scores = tmp_path / "pipeline_root" / "scores"
    _write_scores(scores)
    settings = SelectionSettings().to_mapping()

    @dsl.pipeline
    def selecting(settings: dict) -> dsl.Dataset:
        given = dsl.importer(artifact_uri=str(scores), artifact_class=dsl.Dataset, reimport=True)
        return select_pairs(scores=given.output, settings=settings).outputs["pairs"]

    task = run_in_container(selecting, settings=settings)

    there = read_artifact(task.output.path, "pairs")
    here = selection.run(scores, tmp_path / "here", settings)
    assert len(there) > 0
    assert list(there.rows()) == list(here.rows())
    assert there.digest == here.digest
    assert task.output.metadata["digest"] == here.digest


def test_the_clusters_check_writes_where_it_should_and_says_what_is_wrong(engine: Engine, light_image: str) -> None:
    """The very command of manifests/base/runner/check.yaml: with a place it can write, and with one it cannot reach."""
    job = yaml.safe_load((ROOT / "manifests" / "base" / "runner" / "check.yaml").read_text())
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    run = ["run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp:mode=1777", "--user", "10001:10001"]

    good = engine.docker(*run, "-e", "GROUNDTUNE_STATE=/tmp/state", light_image, *command)
    wrong = engine.docker(*run, "-e", "GROUNDTUNE_STATE=/state", light_image, *command, check=False)

    assert "state can be written at /tmp/state" in good.stdout
    assert wrong.returncode != 0
    assert "cannot write /state/" in wrong.stderr


def _write_scores(folder: Path) -> None:
    """Three pools: one with a believed but wrong answer, one whose answers are as good as each other, a single one."""
    pools = {
        "kitchen": [(0.9, -0.4, "A red cup."), (0.2, -0.3, "A red cup and a dog."), (0.1, -2.0, "A train.")],
        "street": [(0.50, -0.5, "A car."), (0.51, -0.6, "One car.")],
        "garden": [(0.8, -0.2, "A tree.")],
    }
    rows = [
        {
            "prompt_id": prompt_id,
            "candidate_id": f"{prompt_id}#{number}",
            "text": text,
            "token_ids": [number + 1],
            "multiplicity": 1,
            "finished": True,
            "mas": mas,
            "scorers": {"contrastive": mas},
            "worst_sentence": text,
            "confidence": confidence,
            "pool_entropy": 0.7,
        }
        for prompt_id, pool in pools.items()
        for number, (mas, confidence, text) in enumerate(pool)
    ]
    writer = ArtifactWriter(folder, "scores", {}, {"candidates": "made by the test"})
    writer.write_part(0, rows)
    writer.finish(len(rows))
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
