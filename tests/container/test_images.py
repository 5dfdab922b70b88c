"""Both images: what they say of themselves, what is in them, and what must not be."""

import json
import os
import re
from pathlib import Path

import pytest

import groundtune
from tests.container import planted
from tests.container.conftest import REVISION, SOURCE
from tests.container.engine import BASE_IMAGE, Engine

# What pip's check may say: kfp is its executor only, and Google's cloud is not signed in to.
MISSING_ON_PURPOSE = ("kfp 2.17.0 requires ", "databricks-sdk 0.156.0 requires google-auth,")
LIGHT_MEGABYTES = 400

IMPORTS = {
    "light_image": "mlflow, boto3, kfp.dsl.executor_main, groundtune.preferences.selection, groundtune.report.page",
    "stage_image": "mlflow, boto3, kfp.dsl.executor_main, groundtune.training.stage, groundtune.candidates.sampling",
}


@pytest.fixture(params=["light_image", "stage_image"])
def image(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def run(engine: Engine, image: str, *command: str, check: bool = True) -> str:
    """What a command prints in a container of the image."""
    restricted = ["run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"]
    return engine.docker(*restricted, image, *command, check=check).stdout


def test_the_light_image_with_its_base_is_under_400_megabytes(engine: Engine, light_image: str) -> None:
    assert engine.inspect(light_image)["Size"] / 1e6 < LIGHT_MEGABYTES


def test_the_labels_say_what_the_image_is_and_which_sources_made_it(engine: Engine, image: str) -> None:
    labels = engine.inspect(image)["Config"]["Labels"]
    said = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert said.pop("title") == f"groundtune {'light' if 'light' in image else 'stage'}"
    assert said.pop("description")
    assert said == {
        "licenses": "Apache-2.0",
        "base.name": f"docker.io/library/{BASE_IMAGE}",
        "version": groundtune.__version__,
        "revision": REVISION,
        "source": SOURCE,
    }


def test_every_library_has_what_it_requires_but_what_is_left_out_on_purpose(engine: Engine, image: str) -> None:
    said = run(engine, image, "pip", "--python", "/opt/groundtune/bin/python", "check", check=False).splitlines()
    assert any(line.startswith("kfp") for line in said), "the check looked at this environment"
    assert [line for line in said if not line.startswith(MISSING_ON_PURPOSE)] == []


def test_nothing_can_be_installed_or_compiled_in_the_image(engine: Engine, image: str) -> None:
    assert run(engine, image, "python", "-c", "import importlib.util as u; print(u.find_spec('pip'))") == "None\n"
    tools = "for tool in gcc cc g++ c++ clang ld make cargo git curl wget; do command -v $tool; done; true"
    assert run(engine, image, "sh", "-c", tools) == ""
    caches = "find / -xdev \\( -name 'pip*' -path '*/.cache/*' -o -name '*.whl' -path '*/tmp/*' \\) 2>/dev/null; true"
    assert run(engine, image, "sh", "-c", caches) == ""


def test_what_a_task_imports_is_not_compiled_at_every_start(engine: Engine, request: pytest.FixtureRequest) -> None:
    """The root file system is read-only: a container could not keep the bytecode."""
    for kind, modules in IMPORTS.items():
        command = ["python", "-v", "-c", f"import {modules}"]
        ran = engine.docker("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp",
                            "--env", "_KFP_RUNTIME=true",  # as KFP's launcher sets it: the executor alone
                            request.getfixturevalue(kind), *command)  # fmt: skip
        used = re.findall(r"^# code object from '?(/opt/groundtune/\S+?)'?$", ran.stderr, re.MULTILINE)
        bytecode = [file for file in used if file.endswith(".pyc")]
        assert len(bytecode) > 500
        assert [file for file in used if file not in bytecode] == []


def test_no_layer_configuration_or_history_holds_a_secret_that_lay_in_the_checkout(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """The images are built from a context with planted secrets, by a client whose environment has them as well."""
    archive = tmp_path / "image.tar"
    engine.docker("save", "--output", str(archive), image)
    found, files = planted.in_saved_image(archive)
    assert files > 5000, "base, libraries and groundtune were read"
    assert found == []


def test_a_secret_in_an_image_would_be_found_even_in_a_layer_that_a_later_one_empties(
    engine: Engine, light_image: str, tmp_path: Path
) -> None:
    planted.plant_files(tmp_path)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {BASE_IMAGE}\nARG TOKEN\nCOPY credentials.yaml /opt/credentials.yaml\nRUN rm /opt/credentials.yaml\n"
        'ENV PASSWORD="$TOKEN"\n'
    )
    engine.build("Dockerfile", "groundtune/canary:control", tmp_path, {"TOKEN": planted.CANARY})
    archive = tmp_path / "image.tar"
    engine.docker("save", "--output", str(archive), "groundtune/canary:control")
    engine.docker("image", "rm", "groundtune/canary:control")

    found, _ = planted.in_saved_image(archive)

    assert any(place.endswith("opt/credentials.yaml") for place in found), found
    assert any(place.endswith(".json") and "layer" not in place for place in found), "in configuration and history"


def test_every_planted_file_would_reach_a_build_that_ignores_nothing(
    engine: Engine, light_image: str, tmp_path: Path
) -> None:
    """What .dockerignore keeps out is there to be kept out."""
    planted.plant_files(tmp_path)
    there = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\nCOPY . /context\n")
    engine.build("Dockerfile", "groundtune/canary:context", tmp_path, {})
    listing = "import json, pathlib; print(json.dumps([str(f) for f in pathlib.Path('/context').rglob('*')]))"
    inside = json.loads(engine.docker("run", "--rm", "--network", "none", "groundtune/canary:context",
                                      "python3", "-c", listing).stdout)  # fmt: skip
    engine.docker("image", "rm", "groundtune/canary:context")
    assert {os.path.join("/context", name) for name in there} <= set(inside)
