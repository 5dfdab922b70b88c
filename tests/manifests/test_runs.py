"""Compiled packages against the namespace in which they run."""

import re
from typing import Any

import pytest
import yaml

from pipelines import placement
from pipelines.packages import compile_all
from tests.rendered import MANIFESTS, ROOT, one, rendered


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """name -> [pipeline, platform]."""
    return {
        file.stem: list(yaml.safe_load_all(file.read_text()))
        for file in compile_all(tmp_path_factory.mktemp("packages"))
    }


def executors(package: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Executor -> what Kubernetes is told of it, for every task that has a container."""
    pipeline, platform = package
    told = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    named = pipeline["deploymentSpec"]["executors"]
    return {name: told.get(name, {}) for name, executor in named.items() if "container" in executor}


def test_every_task_says_that_it_is_not_root_as_a_restricted_namespace_demands(packages: dict[str, Any]) -> None:
    for name, package in packages.items():
        found = executors(package)
        assert found
        for executor, told in found.items():
            assert told.get("securityContext") == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}, (
                f"{name}: {executor}"
            )


def test_the_user_is_the_one_of_every_image() -> None:
    for dockerfile in ROOT.glob("images/*/Dockerfile"):
        assert re.search(rf"^USER {placement.USER}:{placement.USER}$", dockerfile.read_text(), re.M), dockerfile


def test_every_task_takes_its_environment_from_what_the_manifests_bring(packages: dict[str, Any]) -> None:
    there = set(one(rendered(MANIFESTS / "base"), "ConfigMap", placement.CONFIG_MAP)["data"])
    assert there <= set(placement.ENVIRONMENT)
    for package in packages.values():
        for executor, told in executors(package).items():
            for source in told.get("configMapAsEnv", []):
                if source["configMapName"] == placement.CONFIG_MAP:
                    assert there <= {entry["configMapKey"] for entry in source["keyToEnv"]}, executor
                    assert source["optional"], "what a cluster does not need stays unset"
