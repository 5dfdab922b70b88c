"""The servers of manifests/base, started here with the command lines and environments of their containers.

Only what a machine without a cluster cannot have is different: ports, loopback for names of Services, folders for
volumes.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.postgresql import PostgresServer, postgres_server
from tests.rendered import MANIFESTS, Item, one, rendered, secrets, start_of
from tests.servers import S3Server, Server, free_port

_SCRIPTS = Path(sys.executable).parent
LOGINS = {"MLFLOW_TRACKING_USERNAME": "runs", "MLFLOW_AUTH_ADMIN_USERNAME": "keeper"}


@dataclass
class Deployed:
    """The three servers, and everything else of the manifests that runs once."""

    items: list[Item]
    secrets: dict[str, dict[str, str]]
    folder: Path
    store: S3Server
    database: PostgresServer
    tracking: Server
    port: int  # MLflow's

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def runs_environment(self) -> dict[str, str]:
        """What a task sees: the ConfigMap and the Secret of pipelines/placement.py."""
        environment = dict(one(self.items, "ConfigMap", "groundtune-environment")["data"])
        there = {"AWS_ENDPOINT_URL": self.store.endpoint, "MLFLOW_TRACKING_URI": self.uri}
        return environment | there | self.secrets["groundtune-credentials"]

    def run(self, kind: str, workload: str, container: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run one container's command to its end."""
        command, found = self.container(kind, workload, container)
        return subprocess.run(
            command,
            env=found | environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def container(self, kind: str, workload: str, container: str) -> tuple[list[str], dict[str, str]]:
        """(command, environment) of a container, with this machine's ports, names and folders."""
        changed = {
            # A name, not a number: only then would a bucket become a part of it.
            "AWS_ENDPOINT_URL": f"http://localhost:{self.store.endpoint.rpartition(':')[2]}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.database.port),
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "basic_auth.ini"),
        }
        command, environment = start_of(self.items, kind, workload, container, self.secrets, **changed)
        command = [word.replace(":5000", f":{self.port}").replace("=5000", f"={self.port}") for word in command]
        command = [
            word.replace("/etc/mlflow/", f"{self.folder}/").replace("/scripts/", f"{self.folder}/") for word in command
        ]
        return command, {**environment, "PATH": f"{_SCRIPTS}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder)}


def _files(items: list[Item], folder: Path) -> None:
    """The ConfigMaps of files, as their volumes would show them."""
    for name in ("groundtune-tracking-files", "groundtune-storage-files", "groundtune-postgresql-files"):
        for file, text in one(items, "ConfigMap", name)["data"].items():
            (folder / file).write_text(text)


def store_command(items: list[Item], filled: dict[str, dict[str, str]], folder: Path, port: int) -> list[str]:
    """SeaweedFS as its pod starts it, after its init container has written the identities."""
    script, environment = start_of(items, "StatefulSet", "seaweedfs", "identities", filled)
    script = [word.replace("/scripts/", f"{folder}/").replace("/identities/", f"{folder}/") for word in script]
    subprocess.run(script, env={**environment, "PATH": os.environ["PATH"]}, check=True, capture_output=True)
    command, _ = start_of(items, "StatefulSet", "seaweedfs", "seaweedfs", filled)
    volume = folder / "store"
    volume.mkdir()
    places = {"-dir=/data": f"-dir={volume}", "-s3.port=8333": f"-s3.port={port}"}
    inner = [f"-{server}.port={free_port()}" for server in ("master", "volume", "filer")]
    words = [places.get(word, word).replace("/identities/", f"{folder}/") for word in command[1:]]
    # The pod's environment, which is empty: SeaweedFS makes an administrator of the AWS_ACCESS_KEY_ID that it finds.
    return ["env", "-i", f"HOME={folder}", str(_SCRIPTS / command[0]), *words, *inner]


@contextlib.contextmanager
def deployed(overlay: str = "gpu") -> Iterator[Deployed]:
    """All three servers up, buckets and logins made: what `kubectl apply -k` leads to."""
    items = rendered(MANIFESTS / "overlays" / overlay)
    filled = secrets(LOGINS)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        _files(items, folder)
        port = free_port()
        keys = filled["groundtune-storage"]
        store = S3Server(
            folder, [], ready=lambda: store.answers(), endpoint=f"http://127.0.0.1:{port}",
            access_key=keys["AWS_ACCESS_KEY_ID"], secret_key=keys["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        store.command = store_command(items, filled, folder, port)
        store.start()
        stack.callback(store.kill)
        database = stack.enter_context(postgres_server())
        database.run_file(
            folder / "initialize.sql", MLFLOW_DATABASE_PASSWORD=filled["groundtune-tracking"]["PGPASSWORD"]
        )
        logs = folder / "mlflow"
        logs.mkdir()
        tracking = Server(logs, [], ready=lambda: _healthy(made.uri), patience=180)  # as the pod's startup probe
        made = Deployed(items, filled, folder, store, database, tracking, free_port())
        tracking.command, tracking.environment = made.container("Deployment", "mlflow", "mlflow")
        for step in (("Job", "groundtune-storage-setup", "buckets"), ("Deployment", "mlflow", "upgrade")):
            done = made.run(*step)
            assert done.returncode == 0, done.stdout
        tracking.start()
        stack.callback(tracking.kill)
        done = made.run("Job", "groundtune-tracking-setup", "users")
        assert done.returncode == 0, done.stdout
        yield made


def _healthy(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=2).status_code == 200
    except requests.RequestException:
        return False
