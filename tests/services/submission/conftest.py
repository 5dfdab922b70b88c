"""A recording API server for every source of the contract, and one compiled package."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.packages import compile_one
from pipelines.submission.connection import TOKEN, Cluster, Connection
from pipelines.submission.runs import Submission
from tests.kfp_contract import CONTRACTS, Contract
from tests.kfp_server import State, kfp_server

SECRET = "t0ken-of-a-pers0n"
S3 = "s3://bucket/"
RUN = f"""
prompts: {S3}prompts.jsonl
model: {S3}llava
scorers: {{contrastive: {S3}clip}}
benchmarks_root: {S3}benchmarks
evaluation: {{benchmarks: {{chair: chair.jsonl}}, vocabulary: synonyms.txt}}
training: {{epochs: 2}}
"""
RETRAINING = RUN.replace(f"prompts: {S3}prompts.jsonl", f"inbox: {S3}inbox\nrounds_root: {S3}rounds").replace(
    "chair: chair.jsonl", "chair: chair.jsonl, pope_random: pope.json"
)


@pytest.fixture(scope="session", params=sorted(CONTRACTS))
def contract(request: pytest.FixtureRequest) -> Contract:
    return CONTRACTS[request.param]()


@pytest.fixture
def api(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, State]]:
    """URL and state of a server that wants a token, which this process has."""
    monkeypatch.setenv(TOKEN, SECRET)
    with kfp_server(contract, token=SECRET) as (url, state):
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", url)
        yield url, state


@pytest.fixture
def cluster(api: tuple[str, State]) -> Cluster:
    return Cluster(Connection(api[0]))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_one("align", tmp_path_factory.mktemp("package") / "align.yaml")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_one("evaluate", tmp_path_factory.mktemp("package") / "evaluate.yaml")


@pytest.fixture
def wanted(small: Path) -> Submission:
    """kfp's client reads the package anew for every request: the smallest one will do."""
    places = {"model": f"{S3}llava", "benchmarks_root": f"{S3}benchmarks"}
    return Submission(small, "nightly", places, "groundtune", "runner")


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "run.yaml"
    file.write_text(RUN)
    return str(file)
