"""skaffold.yaml: skaffold itself is not to be had here, so what it names is checked piece by piece."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.rules import containers
from tests.rendered import OVERLAYS, ROOT, of_kind, rendered

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
CONFIGURATIONS = {"default": SKAFFOLD, **{profile["name"]: profile for profile in SKAFFOLD["profiles"]}}
OURS = {f"groundtune/{file.parent.name}-python" for file in ROOT.glob("images/*/Dockerfile")}
WITH_GPU = {"groundtune/sampler-vllm-python"}  # of no use on a laptop

# The fields of skaffold/v4beta13 that this file may have; skaffold refuses a file with any other.
_ARTIFACT = {
    "image": str,
    "context": str,
    "docker": {"dockerfile": str, "buildArgs": {"VARIANT": str}},
    "hooks": {"before": [{"command": [str]}]},
}
_STEPS = {
    "build": {"tagPolicy": {"inputDigest": {}}, "local": {"push": bool}, "artifacts": [_ARTIFACT]},
    "manifests": {"kustomize": {"paths": [str]}},
    "deploy": {"kubectl": {}},
    "portForward": [{"resourceType": str, "resourceName": str, "namespace": str, "port": int, "localPort": int}],
}
FIELDS = {"apiVersion": str, "kind": str, "metadata": {"name": str}, **_STEPS, "profiles": [{"name": str, **_STEPS}]}


def strangers(value: Any, fields: Any, path: str = "") -> list[str]:
    """Every field that is not in the list, or holds something of another type."""
    if isinstance(fields, dict):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no mapping"]
        found = [f"{path}.{name}" for name in value if name not in fields]
        return found + [
            one for name in value if name in fields for one in strangers(value[name], fields[name], f"{path}.{name}")
        ]
    if isinstance(fields, list):
        return [one for number, item in enumerate(value) for one in strangers(item, fields[0], f"{path}[{number}]")]
    return [] if type(value) is fields else [f"{path}: {value!r}"]


def artifacts_of(name: str) -> list[dict[str, Any]]:
    """What a profile builds: its own list, else the default's."""
    return CONFIGURATIONS[name].get("build", {}).get("artifacts") or SKAFFOLD["build"]["artifacts"]


def paths_of(name: str) -> list[Path]:
    return [ROOT / path for path in CONFIGURATIONS[name]["manifests"]["kustomize"]["paths"]]


def test_every_field_is_one_that_skaffold_knows() -> None:
    assert SKAFFOLD["apiVersion"] == "skaffold/v4beta13"
    assert strangers(SKAFFOLD, FIELDS) == []
    assert strangers({**SKAFFOLD, "portForwards": []}, FIELDS) == [".portForwards"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_image_has_its_dockerfile_and_every_dockerfile_its_image(name: str) -> None:
    for artifact in artifacts_of(name):
        assert (ROOT / artifact["context"] / artifact["docker"]["dockerfile"]).is_file()
        assert artifact["docker"]["dockerfile"].split("/")[1] == artifact["image"].removeprefix(
            "groundtune/"
        ).removesuffix("-python")
    assert {artifact["image"] for artifact in artifacts_of(name)} == OURS - (WITH_GPU if name == "laptop" else set())


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
        used = {container["image"] for _, container in containers(rendered(path)) if "@" not in container["image"]}
        assert used
        assert {image.rpartition(":")[0] for image in used} <= built


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_forwarded_port_is_one_of_a_service_that_is_there(name: str) -> None:
    forwards = CONFIGURATIONS[name].get("portForward") or SKAFFOLD["portForward"]
    (path,) = paths_of(name)
    services = {
        (item["metadata"]["namespace"], item["metadata"]["name"], port["port"])
        for item in of_kind(rendered(path), "Service")
        for port in item["spec"]["ports"]
    }
    asked = {
        (one["namespace"], one["resourceName"], one["port"]) for one in forwards if one["resourceType"] == "service"
    }
    assert len(asked) == len(forwards)
    assert asked - {("kubeflow", "ml-pipeline-ui", 80)} <= services
    assert len({one["localPort"] for one in forwards}) == len(forwards)
    mlflow = next(one for one in forwards if one["resourceName"] == "mlflow")
    allowed = str(of_kind(rendered(path), "Deployment"))
    assert f"localhost:{mlflow['localPort']}" in allowed, "MLflow refuses a Host that it does not know"


def test_every_overlay_has_its_profile() -> None:
    assert {path.name for path in OVERLAYS} == set(CONFIGURATIONS) - {"default"}
    for name in set(CONFIGURATIONS) - {"default"}:
        assert [path.name for path in paths_of(name)] == [name]
