"""Real images on a real engine. When no engine can be had, these tests fail."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kfp import local

from components import images
from tests.container import planted
from tests.container.engine import Engine, running_engine
from tests.rendered import MANIFESTS, one, rendered

ROOT = Path(__file__).parents[2]
REVISION, SOURCE = "0" * 40, "https://git.example/groundtune"
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


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as a build context, with secrets where people leave them: every test's image is built from it."""
    folder = tmp_path_factory.mktemp("context") / "checkout"
    left_out = shutil.ignore_patterns(".git", ".venv", ".*cache", "__pycache__", "runs", "compiled", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=left_out, copy_function=_linked)
    planted.plant_files(folder)
    return folder


def _linked(source: str, target: str) -> str:
    """A second name for the same file: the torch wheel alone has 190 MB."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _known() -> dict[str, tuple[str, str, dict[str, str]]]:
    """Fixture -> (folder of images/, tag, build arguments). Tags are those that components and Deployments ask for."""
    tracking = one(rendered(MANIFESTS / "overlays" / "gpu"), "Deployment", "mlflow")["spec"]["template"]["spec"]
    return {
        "stage_image": ("stage", images.STAGE, {"VARIANT": "cpu"}),  # `make wheels` has fetched its torch
        "light_image": ("light", images.LIGHT, {}),
        "tracking_image": ("tracking", tracking["containers"][0]["image"], {}),
    }


@pytest.fixture(scope="session")
def builds(engine: Engine, context: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """(fixture) -> tag, once it is built. What the chosen tests need is begun at once, two images side by side: a
    build waits for downloads, and the first tests have other things to do meanwhile."""
    known = _known()
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(2) as pool:
        begun = {name: pool.submit(_built, engine, context, *known[name]) for name in known if name in wanted}
        yield lambda name: begun[name].result() if name in begun else _built(engine, context, *known[name])


def _built(engine: Engine, context: Path, kind: str, tag: str, arguments: dict[str, str]) -> str:
    began = time.monotonic()
    given = {"REVISION": REVISION, "SOURCE": SOURCE, **arguments}
    engine.build(f"images/{kind}/Dockerfile", tag, context, given, planted.ENVIRONMENT)
    size = engine.inspect(tag)["Size"] / 1e6
    print(f"\n{tag}: {size:,.0f} MB, built in {time.monotonic() - began:.0f} s")
    return tag


@pytest.fixture(scope="session")
def light_image(builds: Callable[[str], str]) -> str:
    return builds("light_image")


@pytest.fixture(scope="session")
def stage_image(builds: Callable[[str], str]) -> str:
    """The CPU variant."""
    return builds("stage_image")


@pytest.fixture(scope="session")
def tracking_image(builds: Callable[[str], str]) -> str:
    return builds("tracking_image")


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
        with open_umask():
            local.init(local.DockerRunner(**RESTRICTED), pipeline_root=str(root))
            return pipeline(**arguments)

    return run


@contextmanager
def open_umask() -> Iterator[None]:
    """Folders that kfp makes for a task are writable for the container's user."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)
