"""The API of Kubeflow Pipelines: where it is, as whom we speak to it, and its failures in one sentence each."""

import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3
from kfp.client.token_credentials_base import TokenCredentialsBase

from groundtune.errors import GroundtuneError, SettingError

TOKEN = "GROUNDTUNE_KFP_TOKEN"  # its value is a secret: never an option, which every process of the machine can read
TIMEOUT_SECONDS = 30.0  # of one read; kfp's client has no limit of its own
_LONGEST_REASON = 400  # characters of the API's own words in an error


class ClusterError(GroundtuneError):
    """The API of Kubeflow Pipelines cannot be reached or refuses a request. status: HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0):
        self.status = status
        super().__init__(message)


@dataclass(frozen=True)
class Connection:
    """host: URL of the API, e.g. https://kubeflow.example/pipeline. namespace: "" where there is only one.

    token_file: read again for every request, for tokens that the kubelet renews; "" takes the variable TOKEN, if set.
    ca_cert: PEM file of the authority that signed the host's certificate; "" for the public ones. ui: URL of the UI
    where it is not the host's.
    """

    host: str
    namespace: str = ""
    token_file: str = ""
    ca_cert: str = ""
    ui: str = ""

    def page(self, kind: str, name: str) -> str:
        """The UI's page of one run ("runs") or schedule ("recurringrun")."""
        return f"{(self.ui or self.host).rstrip('/')}/#/{kind}/details/{name}"


class _TokenFile(TokenCredentialsBase):
    def __init__(self, file: str):
        self._file = file

    def refresh_api_key_hook(self, config: Any) -> None:
        """Called by the client before every request."""
        try:
            token = Path(self._file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError("--token-file", self._file, f"a readable file with a token ({error})") from error
        if not token:
            raise SettingError("--token-file", self._file, "a file with a token; it is empty")
        config.api_key["authorization"] = token


class _Client(kfp.Client):
    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        """One attempt: kfp's own tries a wrong host or token for 25 seconds, with a traceback each time."""
        found, _, headers = self._healthz_api.healthz_service_get_healthz_with_http_info()
        if "json" not in {name.lower(): value for name, value in headers.items()}.get("content-type", ""):
            # A login page has status 200, and kfp's client would read it as an answer with nothing in it.
            raise kfp_server_api.ApiException(status=401, reason="answered with a page, not with data")
        return found


class Cluster:
    """The API, as one identity sees it. Every call belongs into `asking`."""

    def __init__(self, at: Connection):
        """Raises SettingError for a wrong option, ClusterError when the API does not answer this identity."""
        _check(at)
        self.at = at
        socket.setdefaulttimeout(TIMEOUT_SECONDS)
        with self.asking("reach the API"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about servers before version 2
            self.client: Any = _Client(
                host=at.host,
                namespace=at.namespace or "kubeflow",  # kfp's word for none
                existing_token=None if at.token_file else os.environ.get(TOKEN),
                credentials=_TokenFile(at.token_file) if at.token_file else None,
                ssl_ca_cert=at.ca_cert or None,
            )
            self.client.get_kfp_healthz()

    @contextmanager
    def asking(self, action: str) -> Iterator[None]:
        """Every failure inside becomes a ClusterError: what could not be done, why, and the option to look at."""
        try:
            yield
        except kfp_server_api.ApiException as error:
            status = error.status or 0
            raise ClusterError(f"cannot {action}: {self._answer(error, status)}", status) from error
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"cannot {action}: {self._silence(error)}") from error
        except ValueError as error:  # what kfp.Client makes of an ambiguous name
            raise ClusterError(f"cannot {action}: {error}") from error

    def _answer(self, error: Any, status: int) -> str:
        if not status:
            return (
                f"{self.at.host}: {_one_line(error.reason)}; check --host, and --ca-cert for an authority of your own"
            )
        said = _reason(error)
        return f"{self.at.host} answered {status}{f' ({said})' if said else ''}; {self._hint(status)}"

    def _silence(self, error: Exception) -> str:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.SSLError):
            return f"{self.at.host}: {_one_line(cause)}; check --ca-cert"
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError | urllib3.exceptions.ProtocolError):
            return (
                f"{self.at.host} gave no answer ({_one_line(cause)}); the request may have been carried out: "
                "look before you repeat it"
            )
        return f"{self.at.host} cannot be reached ({_one_line(cause)}); check --host"

    def _hint(self, status: int) -> str:
        named = "--token-file" if self.at.token_file else TOKEN
        sent = bool(self.at.token_file or os.environ.get(TOKEN))
        if status == 401:
            return f"the token of {named} is not accepted" if sent else f"no token was sent: --token-file or {TOKEN}"
        if status == 403:
            where = repr(self.at.namespace) if self.at.namespace else "without --namespace"
            return f"this identity may not do it ({where}); check --namespace and the token's service account"
        if status == 404:
            return "check --host (on Kubeflow the API is below /pipeline) and the name"
        if status == 409:
            return "something of this name is there already"
        if status == 400:
            return "check --namespace, --experiment, --service-account and the settings"
        return "the log of the API server says why; try again later"


def _check(at: Connection) -> None:
    if not at.host.startswith(("http://", "https://")):
        raise SettingError("--host", at.host or "nothing", "the API's URL, e.g. https://kubeflow.example/pipeline")
    for option, file in (("--token-file", at.token_file), ("--ca-cert", at.ca_cert)):
        if file and not Path(file).is_file():
            raise SettingError(option, file, "a file")


def _reason(error: Any) -> str:
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body or ""
    try:
        said = json.loads(body)
    except ValueError:
        return _one_line(error.reason)  # a page of a gateway
    words = said.get("error") or said.get("message") if isinstance(said, dict) else None
    return _one_line(words or error.reason)


def _one_line(words: object) -> str:
    return " ".join(str(words or "").split())[:_LONGEST_REASON]
