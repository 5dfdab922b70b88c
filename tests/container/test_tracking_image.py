"""images/tracking: built from the checkout, and started as its Deployment starts it."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engine import Engine
from tests.postgresql import PostgresServer, postgres_server
from tests.rendered import MANIFESTS, one, rendered, secrets, start_of

ITEMS = rendered(MANIFESTS / "overlays" / "gpu")
SECRETS = secrets({"MLFLOW_AUTH_ADMIN_USERNAME": "keeper"})
# What a "restricted" pod gets on a cluster, and one thing more: no network.
RESTRICTED = [
    "--read-only", "--tmpfs", "/tmp:mode=1777", "--user", "10001:10001", "--network", "none", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--pids-limit", "512",
]  # fmt: skip

# The server asked from within its container, which has no network, and a file logged to it.
_CLIENT = """
import pathlib, sys
from mlflow import MlflowClient
client = MlflowClient("http://127.0.0.1:5000")
run = client.create_run(client.create_experiment("probe")).info.run_id
pathlib.Path("/tmp/page.html").write_text("<p>page</p>")
client.log_artifact(run, "/tmp/page.html")
print(run, [file.path for file in client.list_artifacts(run)])
"""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        file = server.folder / "initialize.sql"
        file.write_text(one(ITEMS, "ConfigMap", "groundtune-postgresql-files")["data"]["initialize.sql"])
        server.run_file(file, MLFLOW_DATABASE_PASSWORD=SECRETS["groundtune-tracking"]["PGPASSWORD"])
        yield server


def started_with(container: str, database: PostgresServer, folder: Path) -> tuple[list[str], list[str]]:
    """(docker's options, command) of a container of the Deployment: PostgreSQL by its socket, artifacts below /tmp."""
    places = {"PGHOST": "/sockets", "PGPORT": str(database.port), "MLFLOW_ARTIFACTS": "/tmp/artifacts"}
    command, environment = start_of(ITEMS, "Deployment", "mlflow", container, SECRETS, **places)
    files = folder / "files"
    files.mkdir(exist_ok=True)
    for name, text in one(ITEMS, "ConfigMap", "groundtune-tracking-files")["data"].items():
        (files / name).write_text(text)
        (files / name).chmod(0o644)
    variables = folder / "environment"
    variables.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    mounts = ["-v", f"{database.sockets}:/sockets", "-v", f"{files}:/etc/mlflow:ro"]
    return [*RESTRICTED, *mounts, "--env-file", str(variables)], command


def test_the_image_names_a_user_by_number_and_carries_drivers_and_no_secret(
    engine: Engine, tracking_image: str
) -> None:
    configuration = engine.inspect(tracking_image)["Config"]
    uid, _, gid = configuration["User"].partition(":")
    assert int(uid) >= 1000 and int(gid) >= 1000
    assert not any(word in entry for entry in configuration["Env"] for word in ("SECRET", "PASSWORD", "KEY"))
    look = "import boto3, flask_wtf, importlib.util, json, mlflow, psycopg2; print(json.dumps([mlflow.__version__, "
    look += "*map(importlib.util.find_spec, ('torch', 'groundtune'))]))"
    said = engine.docker("run", "--rm", *RESTRICTED, tracking_image, "python", "-c", look).stdout
    version, *others = json.loads(said)
    assert f"mlflow=={version}" in (MANIFESTS.parent / "constraints.txt").read_text()
    assert others == [None, None]


def test_the_deployments_commands_work_without_root_without_a_writable_image(
    engine: Engine, tracking_image: str, database: PostgresServer, tmp_path: Path
) -> None:
    options, upgrade = started_with("upgrade", database, tmp_path)
    engine.docker("run", "--rm", *options, tracking_image, *upgrade)
    assert "experiments" in database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "mlflow")

    options, serve = started_with("mlflow", database, tmp_path)
    name = f"tracking-{uuid.uuid4().hex[:8]}"
    engine.docker("run", "--detach", "--name", name, *options, tracking_image, *serve)
    try:
        _wait(engine, name)
        admin = SECRETS["groundtune-tracking"]
        password = admin["MLFLOW_AUTH_ADMIN_PASSWORD"]
        login = ["-e", "MLFLOW_TRACKING_USERNAME=keeper", "-e", f"MLFLOW_TRACKING_PASSWORD={password}"]
        said = engine.docker("exec", *login, name, "python", "-c", _CLIENT).stdout.splitlines()[-1]
        assert said.endswith("['page.html']")
        assert database.query("SELECT run_uuid FROM runs", "mlflow") == [said.split()[0]]
        stranger = ["-e", "MLFLOW_TRACKING_USERNAME=keeper", "-e", "MLFLOW_TRACKING_PASSWORD=wrong-password"]
        refused = engine.docker("exec", *stranger, name, "python", "-c", _CLIENT, check=False)
        assert refused.returncode != 0
        log = engine.docker("logs", name)
        assert not any(value in log.stdout + log.stderr for key, value in admin.items() if "USERNAME" not in key)
    finally:
        engine.docker("rm", "--force", name)


def _wait(engine: Engine, name: str, seconds: float = 180) -> None:
    """Until the readiness probe's question is answered, as long as the startup probe would wait."""
    ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=5)"
    deadline = time.monotonic() + seconds
    while engine.docker("exec", name, "python", "-c", ask, check=False).returncode:
        log = engine.docker("logs", name)
        assert time.monotonic() < deadline, log.stdout + log.stderr
        time.sleep(1)
