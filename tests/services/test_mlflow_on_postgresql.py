"""The tracking server of manifests/: MLflow with logins, PostgreSQL below it, artifacts in an S3 store. All of it real.

Command lines, environments, scripts and Secrets are those of the rendered manifests (tests/deployed.py), so that what
is proven here is what a cluster starts.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

from groundtune import storage, tracking
from groundtune.errors import StorageError, TrackingError
from groundtune.promotion.registry import register
from groundtune.settings import RegistrySettings
from tests.deployed import Deployed, deployed
from tests.servers import free_port
from tests.tiny_checkpoints import tiny_adapter, tiny_llava


@pytest.fixture(scope="module")
def servers() -> Iterator[Deployed]:
    with deployed() as made:
        yield made


@pytest.fixture
def run(servers: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """This process is a task: it has what pipelines/placement.py gives one."""
    name = f"run-{uuid.uuid4().hex[:12]}"
    for variable, value in servers.runs_environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", name)
    return servers


def bucket_of(servers: Deployed, secret: str):
    """A client of the store with the keys of one Secret."""
    keys = servers.secrets[secret]
    return boto3.client(
        "s3",
        endpoint_url=servers.store.endpoint,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )


def tracked(page: Path) -> str:
    """One stage with a figure and a file; its run's id."""
    page.write_text("<p>pairs</p>")
    with tracking.stage("select_pairs", {"mu": 0.5}, inputs={"scores": "abc"}) as log:
        log.metrics({"pairs": 803})
        log.artifact(page)
    return log.run_id


def test_a_stages_figures_are_in_postgresql_and_its_files_in_the_bucket_without_a_key_of_it(
    run: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)  # the server has the keys, a client needs none
    run_id = tracked(tmp_path / "pairs.html")

    (value,) = run.database.query(f"SELECT value FROM metrics WHERE run_uuid = '{run_id}' AND key = 'pairs'", "mlflow")
    assert float(value) == 803
    stored = bucket_of(run, "groundtune-tracking").list_objects_v2(Bucket="groundtune-mlflow")["Contents"]
    (key,) = [entry["Key"] for entry in stored if run_id in entry["Key"]]
    assert key.endswith("/artifacts/pairs.html")
    there = download_artifacts(run_id=run_id, artifact_path="pairs.html", dst_path=str(tmp_path / "back"))
    assert Path(there).read_text() == "<p>pairs</p>"


@pytest.mark.parametrize(
    ("name", "password"),
    [("runs", "not-the-password"), ("nobody", "not-a-password"), ("keeper", "password1234"), ("", "")],
)
def test_a_wrong_login_is_refused_by_name_of_the_settings_to_look_at(
    run: Deployed, name: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD") as refused:
        tracking.check()
    assert not password or password not in str(refused.value)
    assert "401" in str(refused.value) or "not authenticated" in str(refused.value).lower()


def test_runs_are_no_administrators(run: Deployed) -> None:
    with pytest.raises(MlflowException, match=r"[Pp]ermission denied|403"):
        AuthServiceClient(run.uri).create_user("friend", "a-password-long-enough")


def test_what_another_login_made_can_be_read_and_not_changed(
    run: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_id = tracked(tmp_path / "pairs.html")
    admin = run.secrets["groundtune-tracking"]
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", admin["MLFLOW_AUTH_ADMIN_USERNAME"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", admin["MLFLOW_AUTH_ADMIN_PASSWORD"])
    AuthServiceClient(run.uri).create_user("reader", "a-password-long-enough")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-password-long-enough")
    client = MlflowClient(run.uri)
    assert client.get_run(run_id).data.metrics == {"pairs": 803.0}
    with pytest.raises(MlflowException, match=r"[Pp]ermission denied|403"):
        client.log_metric(run_id, "pairs", 0)


def test_a_version_is_registered_found_by_its_alias_and_loaded_back(
    run: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"vlm-{uuid.uuid4().hex[:8]}"
    base = tiny_llava(tmp_path / "base")
    adapter = tiny_adapter(tmp_path / "adapter", base)
    made = register(adapter, str(base), None, RegistrySettings(name, "challenger", bundle_base=False))
    assert made.uri == f"models:/{name}/1"

    client = MlflowClient(run.uri)
    assert client.get_model_version_by_alias(name, "challenger").version == "1"
    assert client.get_model_version(name, "1").description == made.card
    monkeypatch.setenv("MLFLOW_TRACKING_URI", run.uri)
    loaded = Path(
        download_artifacts(f"models:/{name}@challenger", dst_path=str(tmp_path / "loaded"), tracking_uri=run.uri)
    )
    (weights,) = loaded.rglob("adapter_model.safetensors")
    assert weights.read_bytes() == (adapter / "adapter_model.safetensors").read_bytes()


def test_keys_open_their_own_bucket_only(run: Deployed) -> None:
    runs, server = bucket_of(run, "groundtune-credentials"), bucket_of(run, "groundtune-tracking")
    runs.put_object(Bucket="groundtune", Key="state/probe", Body=b"x")
    server.put_object(Bucket="groundtune-mlflow", Key="probe", Body=b"x")
    for client, other in ((runs, "groundtune-mlflow"), (server, "groundtune")):
        for refused in (
            lambda client=client, other=other: client.put_object(Bucket=other, Key="probe", Body=b"x"),
            lambda client=client, other=other: client.get_object(Bucket=other, Key="probe"),
            lambda client=client, other=other: client.list_objects_v2(Bucket=other),
            lambda client=client: client.create_bucket(Bucket="another"),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                refused()


def test_every_job_of_the_installation_may_run_again(run: Deployed) -> None:
    for step in (
        ("Job", "groundtune-storage-setup", "buckets"),
        ("Job", "groundtune-storage-setup", "lifecycle"),
        ("Job", "groundtune-storage-setup", "lifecycle"),
        ("Job", "groundtune-tracking-setup", "users"),
        ("Deployment", "mlflow", "upgrade"),
    ):
        done = run.run(*step)
        assert done.returncode == 0, done.stdout
    tracking.check()
    store = bucket_of(run, "groundtune-storage")
    (rule,) = store.get_bucket_lifecycle_configuration(Bucket="groundtune")["Rules"]
    assert (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) == ("state/", 14)


def test_the_check_of_the_installation_passes_and_names_what_is_wrong(run: Deployed) -> None:
    job = ("Job", "groundtune-check", "check")
    good = run.run(*job, **run.runs_environment())
    assert good.returncode == 0, good.stdout
    assert "state can be written at s3://groundtune/state" in good.stdout
    assert f"{run.uri} answers" in good.stdout

    for variable, named in (("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"), ("MLFLOW_TRACKING_PASSWORD", "401")):
        wrong = run.run(*job, **run.runs_environment() | {variable: "wrong"})
        assert wrong.returncode != 0
        assert named in wrong.stdout


def test_two_replicas_that_start_together_on_an_empty_database_lead_to_one_whole_schema(run: Deployed) -> None:
    """Each is tried again by kubelet when it loses the race."""
    run.database.query("CREATE DATABASE fresh OWNER mlflow")
    command, environment = run.container("Deployment", "mlflow", "upgrade")
    fresh = [word.replace("///mlflow", "///fresh") for word in command]
    both = [subprocess.Popen(fresh, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    codes = [process.wait(300) for process in both]
    assert 0 in codes
    for code in codes:
        if code:
            assert subprocess.run(fresh, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 0
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert run.database.query(tables, "fresh") == run.database.query(tables, "mlflow")


def test_a_page_of_another_origin_cannot_speak_in_a_users_name(run: Deployed) -> None:
    login = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    ask = f"{run.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
    for host, status in (
        (f"mlflow.groundtune:{run.port}", 200),
        (f"mlflow.groundtune.svc.cluster.local:{run.port}", 200),
        (f"mlflow.groundtune.evil.example:{run.port}", 403),
    ):
        assert requests.get(ask, auth=login, headers={"Host": host}, timeout=30).status_code == status, host
    elsewhere = {"Origin": "http://evil.example"}
    post = f"{run.uri}/api/2.0/mlflow/experiments/create"
    assert requests.post(post, auth=login, headers=elsewhere, json={"name": "x"}, timeout=30).status_code == 403


def test_no_secret_is_in_a_command_line_or_a_log(run: Deployed, tmp_path: Path) -> None:
    tracked(tmp_path / "pairs.html")
    assert run.tracking.process is not None
    lines = subprocess.run(["ps", "-ww", "-o", "args", "-e"], capture_output=True, text=True, check=True).stdout
    assert "--app-name=basic-auth" in lines
    said = run.tracking.log.read_text() + run.store.log.read_text() + run.database.log.read_text()
    for keys in run.secrets.values():
        for name, value in keys.items():
            if "USERNAME" not in name:
                assert value not in lines, name
                assert "ACCESS_KEY_ID" in name or value not in said, name


def test_servers_that_are_killed_come_back_with_everything(run: Deployed, tmp_path: Path) -> None:
    run_id = tracked(tmp_path / "pairs.html")
    storage.check_writable("s3://groundtune/state")
    for server in (run.tracking, run.database, run.store):
        server.kill()
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        tracking.check()
    for server in (run.store, run.database, run.tracking):
        server.start()
    assert MlflowClient(run.uri).get_run(run_id).data.metrics == {"pairs": 803.0}
    there = download_artifacts(run_id=run_id, artifact_path="pairs.html", dst_path=str(tmp_path / "back"))
    assert Path(there).read_text() == "<p>pairs</p>"
    with pytest.raises(StorageError, match="AccessDenied"):
        storage.check_writable("s3://groundtune-mlflow/state")


def test_the_store_has_a_worker_for_its_lifecycle_rules(run: Deployed) -> None:
    """That it connects; a rule counts days, so that an object goes by it cannot be waited for."""
    (master,) = [word.rpartition("=")[2] for word in run.store.command if word.startswith("-master.port=")]
    port = str(free_port())
    processes, logs = [], []
    for container in ("admin", "worker"):
        command, environment = run.container("StatefulSet", "seaweedfs", container)
        places = {":9333": f":{master}", "23646": port, "/data/admin": f"{run.folder}/admin", "=/tmp": f"={run.folder}"}
        for there, here in places.items():
            command = [word.replace(there, here) for word in command]
        logs.append(run.folder / f"{container}.log")
        with logs[-1].open("wb") as log:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    deadline = time.monotonic() + 60
    try:
        while "Plugin worker connected" not in logs[0].read_text():
            assert time.monotonic() < deadline, logs[0].read_text() + logs[1].read_text()
            time.sleep(0.5)
    finally:
        for process in processes:
            process.kill()
            process.wait(10)


def test_a_secret_that_was_not_filled_in_stops_the_store_and_is_named(run: Deployed, tmp_path: Path) -> None:
    script, environment = run.container("StatefulSet", "seaweedfs", "identities")
    target = tmp_path / "s3.json"
    script = [*script[:-1], str(target)]
    for value in ("", "REPLACE_ME", 'quo"te'):
        refused = subprocess.run(
            script, env=environment | {"RUNS_SECRET_ACCESS_KEY": value}, capture_output=True, text=True, check=False
        )
        assert refused.returncode == 1
        assert "RUNS_SECRET_ACCESS_KEY" in refused.stderr
        assert not target.exists()
    subprocess.run(script, env=environment, check=True)
    assert target.stat().st_mode & 0o077 == 0
