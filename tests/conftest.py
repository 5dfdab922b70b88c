"""Fixtures that every tier shares: one server of a kind for the whole session, and an environment without leftovers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import MlflowServer, S3Server, mlflow_server, s3_server

# Tests, servers and pipeline tasks share few cores; more threads than cores make all of them several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_OURS = ("AWS_", "MLFLOW_", "GROUNDTUNE_", "KFP_", "KF_PIPELINES_")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures of a module or the session run outside of any test: they too leave the developer's own cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDTUNE_CACHE", str(tmp_path_factory.mktemp("session-cache")))
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A developer's own endpoints and keys never reach a test, and a test's cache never reaches another."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3Server]:
    """The session's SeaweedFS. Do not stop it in a test: start your own with `servers.s3_server()`."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_session() -> Iterator[MlflowServer]:
    """The session's MLflow server. Do not stop it in a test: start your own with `servers.mlflow_server()`."""
    with mlflow_server() as server:
        yield server


@pytest.fixture
def s3(s3_session: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, with this process's environment pointing at it."""
    for name, value in s3_session.variables.items():
        monkeypatch.setenv(name, value)
    return s3_session


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> str:
    """s3:// URI of a bucket and prefix of this test alone."""
    return (
        f"{s3.create_bucket('tests')}/{Path(request.node.nodeid).name.replace('::', '/').replace('[', '-').strip(']')}"
    )


@pytest.fixture
def mlflow_uri(mlflow_session: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The MLflow server, with this process's environment pointing at it."""
    for name, value in mlflow_session.variables.items():
        monkeypatch.setenv(name, value)
    return mlflow_session.uri
