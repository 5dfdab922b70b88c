"""Real images on a real engine. When no engine can be had, these tests fail."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kfp import local

from tests.container.engine import Engine, running_engine

ROOT = Path(__file__).parents[2]
# What a "restricted" pod gets on a cluster, and one thing more: no network.
RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=1g,mode=1777"},
    "network_mode": "none",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 512,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.container)
            item.add_marker(pytest.mark.timeout(1800))  # the first test of an image pays for its build


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with running_engine() as one:
        yield one


def _built(engine: Engine, kind: str, tag: str, **arguments: str) -> str:
    began = time.monotonic()
    engine.build(f"images/{kind}/Dockerfile", tag, ROOT, **arguments)
    size = engine.inspect(tag)["Size"] / 1e6
    print(f"\n{tag}: {size:,.0f} MB, built in {time.monotonic() - began:.0f} s")
    return tag


@pytest.fixture(scope="session")
def light_image(engine: Engine) -> str:
    """Built from the checkout, under the name that the components ask for."""
    from components import images

    return _built(engine, "light", images.LIGHT)


@pytest.fixture(scope="session")
def stage_image(engine: Engine) -> str:
    """The CPU variant, under the name that the components ask for. `make wheels` has fetched its torch."""
    from components import images

    return _built(engine, "stage", images.STAGE, VARIANT="cpu")


@pytest.fixture
def run_in_container(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a pipeline with kfp's DockerRunner, each task as restricted as on a cluster. Returns the pipeline's task."""
    if engine.host:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
    # The container's user owns nothing on this machine, and writes its outputs below the pipeline root.
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "pipeline_root"
    root.mkdir()
    root.chmod(0o777)

    def run(pipeline: Callable[..., Any], **arguments: Any) -> Any:
        with _open_umask():
            local.init(local.DockerRunner(**RESTRICTED), pipeline_root=str(root))
            return pipeline(**arguments)

    return run


@contextmanager
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)
