"""Real servers on loopback for tests: SeaweedFS as the S3 store and MLflow on SQLite. Nothing here is a stand-in."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_START_TIMEOUT = 180.0  # seconds; both servers need 3 to 6 on two idle cores, and a minute on crowded ones
_STOP_TIMEOUT = 30.0  # SeaweedFS may take 26 s to answer SIGTERM
_SCRIPTS = Path(sys.executable).parent


_given: set[int] = set()  # by this process, neighbours included


def free_port() -> int:
    """A loopback TCP port that nothing listens on, and whose +10000 neighbour (weed's gRPC port) is free as well.

    Tests that run in several processes get ports that end in their own process's digit: between finding a port and
    listening on it, another process could find the same. No port is given twice: a server asks for all of its own
    before it listens on any.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")  # gw0, gw1, ...
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if worker is not None:
            port += int(worker.removeprefix("gw")) % 10 - port % 10
        if port + 10000 > 65535:
            port -= 30000
        taken = {port, port + 10000} & _given
        if port > 1024 and not taken and _bindable(port) and _bindable(port + 10000):
            _given.update((port, port + 10000))
            return port


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Server:
    """A child process that can be stopped, killed and started again on the same port and data."""

    folder: Path
    command: list[str]
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    patience: float = _START_TIMEOUT  # seconds until a start has failed

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> None:
        """Start and wait until the server really answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that stop() reaches the workers too
            )
        deadline = time.monotonic() + self.patience
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.command[0]} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL when it takes too long."""
        self._signal(signal.SIGTERM, _STOP_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL: what a lost node looks like."""
        self._signal(signal.SIGKILL, 10.0)

    def _signal(self, number: signal.Signals, patience: float) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10.0)
        self.process = None


@dataclass
class S3Server(Server):
    """SeaweedFS. `variables` are what a process needs in its environment to use it."""

    endpoint: str = ""
    access_key: str = "groundtune-test-key"
    secret_key: str = "groundtune-test-secret"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self, attempts: int = 1) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4",
                connect_timeout=2,
                retries={"max_attempts": attempts, "mode": "standard"},
                s3={"addressing_style": "path"},
            ),
        )

    def create_bucket(self, name: str) -> str:
        """Create a bucket, or find it; returns its s3:// URI once the bucket takes objects.

        Right after its start SeaweedFS may accept a bucket and not know it a moment later, so this asks again.
        """
        deadline = time.monotonic() + 20.0
        while True:
            try:
                self.client().put_object(Bucket=name, Key=".made", Body=b"")
                self.client().delete_object(Bucket=name, Key=".made")
                return f"s3://{name}"
            except (ClientError, BotoCoreError):
                if time.monotonic() > deadline:
                    raise
            with contextlib.suppress(ClientError, BotoCoreError):
                self.client().create_bucket(Bucket=name)
            time.sleep(0.1)

    def answers(self) -> bool:
        """True once a write goes all the way to a volume; /healthz is true seconds before that."""
        client = self.client()
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="probe", Body=b"x")
            return bool(client.get_object(Bucket="ready", Key="probe")["Body"].read() == b"x")
        except (ClientError, BotoCoreError):
            return False


@contextlib.contextmanager
def s3_server(folder: Path | None = None, options: Sequence[str] = ()) -> Iterator[S3Server]:
    """A started SeaweedFS with one identity; stopped and its data deleted at the end. options: more of `weed`'s."""
    with _folder(folder) as root:
        port = free_port()
        server = S3Server(root, [], ready=lambda: server.answers(), endpoint=f"http://127.0.0.1:{port}")
        identity = (
            '{"identities":[{"name":"groundtune","credentials":[{"accessKey":"%s","secretKey":"%s"}],'
            '"actions":["Admin","Read","Write","List","Tagging"]}]}'
        )
        (root / "s3.json").write_text(identity % (server.access_key, server.secret_key))
        (root / "data").mkdir()
        server.command = [
            str(_SCRIPTS / "weed"),
            "-logtostderr=true",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={root / 'data'}",
            "-s3",
            "-s3.autoCreateBucket=false",  # as every other store: a mistyped bucket is an error
            f"-s3.port={port}",
            "-s3.port.iceberg=0",  # catalogs that nobody asks, at ports that a second store would want as well
            "-s3.port.lance=0",
            f"-s3.config={root / 's3.json'}",
            f"-master.port={free_port()}",
            f"-volume.port={free_port()}",
            f"-filer.port={free_port()}",
            "-volume.max=300",
            "-master.volumeSizeLimitMB=64",
            "-master.telemetry=false",
            *options,
        ]
        server.start()
        try:
            yield server
        finally:
            server.kill()  # a test's data is not worth 26 s of orderly shutdown


@dataclass
class MlflowServer(Server):
    """MLflow's own tracking and registry server: SQLite behind, artifacts through the server."""

    uri: str = ""

    @property
    def variables(self) -> dict[str, str]:
        return {"MLFLOW_TRACKING_URI": self.uri}

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextlib.contextmanager
def mlflow_server(folder: Path | None = None) -> Iterator[MlflowServer]:
    """A started MLflow server on a free port; stopped and its data deleted at the end."""
    with _folder(folder) as root:
        port = free_port()
        server = MlflowServer(root, [], ready=lambda: server.answers(), uri=f"http://127.0.0.1:{port}")
        server.environment = {
            "MLFLOW_TRACKING_URI": "",  # the server must not look for another server
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PATH": f"{_SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        server.command = [
            str(_SCRIPTS / "mlflow"),
            "server",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--backend-store-uri=sqlite:///{root / 'mlflow.db'}",
            f"--artifacts-destination={root / 'artifacts'}",
            "--workers=1",
        ]
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="groundtune-server-", ignore_cleanup_errors=True) as root:
        yield Path(root)
