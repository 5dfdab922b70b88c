"""skaffold.yaml: skaffold itself is not to be had here, so what it names is checked piece by piece."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components import images
from tests.manifests.conftest import OVERLAYS, ROOT, rendered

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
CONFIGURATIONS = {"default": SKAFFOLD, **{profile["name"]: profile for profile in SKAFFOLD["profiles"]}}
OURS = {reference.rpartition(":")[0] for reference in (images.STAGE, images.LIGHT)}


def artifacts_of(name: str) -> list[dict[str, Any]]:
    """What a profile builds: its own list, else the default's."""
    return CONFIGURATIONS[name].get("build", {}).get("artifacts") or SKAFFOLD["build"]["artifacts"]


def paths_of(name: str) -> list[Path]:
    return [ROOT / path for path in CONFIGURATIONS[name]["manifests"]["kustomize"]["paths"]]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_image_has_its_dockerfile_and_every_component_its_image(name: str) -> None:
    for artifact in artifacts_of(name):
        assert (ROOT / artifact["context"] / artifact["docker"]["dockerfile"]).is_file()
    assert {artifact["image"] for artifact in artifacts_of(name)} == OURS


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_build_argument_is_one_that_the_dockerfile_takes(name: str) -> None:
    for artifact in artifacts_of(name):
        dockerfile = (ROOT / artifact["docker"]["dockerfile"]).read_text()
        for argument, value in artifact["docker"].get("buildArgs", {}).items():
            assert f"ARG {argument}" in dockerfile
            assert f" AS wheels-{value}\n" in dockerfile, f"{argument}={value} has no stage in the Dockerfile"


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_path_renders_and_uses_images_that_skaffold_builds(name: str) -> None:
    built = {artifact["image"] for artifact in artifacts_of(name)}
    for path in paths_of(name):
        used = {
            container["image"].rpartition(":")[0]
            for item in rendered(path)
            if item["kind"] in ("Job", "DaemonSet", "Deployment", "StatefulSet")
            for container in item["spec"]["template"]["spec"]["containers"]
        }
        assert used
        assert used <= built


def test_every_overlay_has_its_profile() -> None:
    assert {path.name for path in OVERLAYS} == set(CONFIGURATIONS) - {"default"}
    for name in set(CONFIGURATIONS) - {"default"}:
        assert [path.name for path in paths_of(name)] == [name]
