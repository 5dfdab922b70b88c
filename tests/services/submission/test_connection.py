"""Every way in which the API can fail is one sentence that names the option to look at."""

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from groundtune.errors import SettingError
from pipelines.submission import schedules
from pipelines.submission.connection import TOKEN, Cluster, ClusterError, Connection
from tests.kfp_contract import CONTRACTS, ModelContract
from tests.kfp_server import HANG_UP, LOGIN_PAGE, State, kfp_server
from tests.servers import free_port
from tests.services.submission.conftest import SECRET

pytestmark = pytest.mark.pipeline


def test_the_models_of_the_installed_client_are_always_a_contract() -> None:
    assert "models" in CONTRACTS


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "answered 400 (told to fail); check --namespace, --experiment"),
        (401, f"the token of {TOKEN} is not accepted"),
        (403, "check --namespace and the token's service account"),
        (404, "check --host (on Kubeflow the API is below /pipeline)"),
        (409, "something of this name is there already"),
        (500, "the log of the API server says why"),
        (503, "the log of the API server says why"),
        (LOGIN_PAGE, f"answered with a page, not with data); the token of {TOKEN} is not accepted"),
        (HANG_UP, "gave no answer"),
    ],
)
def test_a_refusal_says_what_to_look_at(api: tuple[str, State], status: int, words: str) -> None:
    url, state = api
    # urllib3 asks again when a connection breaks before the answer to a GET
    state.faults = [("GET", "healthz", status)] * (10 if status == HANG_UP else 1)
    started = time.monotonic()
    with pytest.raises(ClusterError) as failed:
        Cluster(Connection(url))
    assert words in str(failed.value) and url in str(failed.value)
    assert str(failed.value).startswith("cannot reach the API: ") and SECRET not in str(failed.value)
    assert time.monotonic() - started < 10, "kfp's own question about a server's health is asked for 25 seconds"


def test_a_host_where_nothing_listens_is_named() -> None:
    with pytest.raises(ClusterError, match="cannot reach the API: http://127.0.0.1.* cannot be reached .*check --host"):
        Cluster(Connection(f"http://127.0.0.1:{free_port()}"))


def test_a_request_that_got_no_answer_may_have_been_carried_out(cluster: Cluster, api: tuple[str, State]) -> None:
    api[1].faults = [("POST", "experiments", HANG_UP)]
    with pytest.raises(ClusterError, match="may have been carried out: look before you repeat it"):
        schedules.experiment_id(cluster, "groundtune")


def test_no_token_and_a_wrong_one_are_told_apart(api: tuple[str, State], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "wrong")
    with pytest.raises(ClusterError, match=f"the token of {TOKEN} is not accepted"):
        Cluster(Connection(api[0]))
    monkeypatch.delenv(TOKEN)
    with pytest.raises(ClusterError, match=f"no token was sent: --token-file or {TOKEN}"):
        Cluster(Connection(api[0]))


def test_a_token_file_is_read_again_for_every_request(api: tuple[str, State], tmp_path: Path) -> None:
    url, state = api
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    cluster = Cluster(Connection(url, token_file=str(file)))
    schedules.experiment_id(cluster, "groundtune")
    state.token = "the next one"  # as the kubelet does it every hour
    file.write_text(state.token)
    schedules.experiment_id(cluster, "groundtune")
    assert [one.authorization for one in state.requests][-1] == "Bearer the next one"
    file.write_text("")
    with pytest.raises(SettingError, match="'--token-file' is .*it is empty"):
        schedules.experiment_id(cluster, "groundtune")
    file.unlink()
    with pytest.raises(SettingError, match="'--token-file' is .*expected a readable file"):
        schedules.experiment_id(cluster, "groundtune")


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (Connection(""), "'--host' is 'nothing': expected the API's URL"),
        (Connection("kubeflow.example/pipeline"), "'--host' is 'kubeflow.example/pipeline'"),
        (Connection("http://127.0.0.1:1", token_file="/no/such"), "'--token-file' is '/no/such': expected a file"),
        (Connection("http://127.0.0.1:1", ca_cert="/no/such"), "'--ca-cert' is '/no/such': expected a file"),
    ],
)
def test_a_wrong_option_is_found_before_anything_is_asked(connection: Connection, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Cluster(connection)


def test_a_namespace_is_what_a_multi_user_server_is_asked_for(api: tuple[str, State]) -> None:
    url, state = api
    state.multi_user = True
    schedules.experiment_id(Cluster(Connection(url, namespace="team-a")), "groundtune")
    assert state.made("ExperimentService_CreateExperiment")[0].body["namespace"] == "team-a"
    assert state.made("ExperimentService_ListExperiments")[0].query["namespace"] == "team-a"


def test_a_private_authority_is_trusted_when_named_and_missed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with kfp_server(ModelContract(), tls=tls) as (url, _):
        with pytest.raises(ClusterError, match="check --ca-cert"):
            Cluster(Connection(url))
        Cluster(Connection(url, ca_cert=str(certificate)))
