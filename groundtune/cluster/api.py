"""TrainJobs and the logs of their pods through the Kubernetes API, with errors that say what to change."""

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import kubernetes
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from groundtune.cluster.manifest import GROUP, PLURAL, VERSION, run_label
from groundtune.errors import WorkerError
from groundtune.progress import say

T = TypeVar("T")
STAGE = "train_dpo_job"
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TIMEOUT = (5, 30)  # seconds to connect, to answer
_PASSING = (429, 500, 502, 503, 504)  # statuses that another attempt may not meet


class Cluster:
    """The namespace of this pod, or of the current kubeconfig context. patience: seconds the API may not answer."""

    def __init__(self, patience: float):
        try:
            client, self.namespace = _in_a_pod() if _OWN_NAMESPACE.is_file() else _by_kubeconfig()
        except kubernetes.config.ConfigException as error:
            raise WorkerError(
                f"no way to the cluster ({error}): a TrainJob is submitted from a pod, or with KUBECONFIG set"
            ) from error
        self.patience = patience
        self._objects = kubernetes.client.CustomObjectsApi(client)
        self._pods = kubernetes.client.CoreV1Api(client)

    def create(self, body: dict[str, Any]) -> bool:
        """False when a job of that name is there already."""
        place = (GROUP, VERSION, self.namespace, PLURAL)
        try:
            self._ask(
                "create",
                lambda: self._objects.create_namespaced_custom_object(
                    *place, body, field_validation="Strict", _request_timeout=_TIMEOUT
                ),
            )
        except FileExistsError:
            return False
        return True

    def get(self, name: str) -> dict[str, Any] | None:
        """The job, None when it is gone."""
        place = (GROUP, VERSION, self.namespace, PLURAL, name)
        try:
            found: dict[str, Any] = self._ask(
                "get", lambda: self._objects.get_namespaced_custom_object(*place, _request_timeout=_TIMEOUT)
            )
        except FileNotFoundError:
            return None
        return found

    def delete(self, name: str) -> None:
        """With its pods; one that is gone already is fine."""
        place = (GROUP, VERSION, self.namespace, PLURAL, name)
        try:
            self._ask(
                "delete",
                lambda: self._objects.delete_namespaced_custom_object(
                    *place, propagation_policy="Background", _request_timeout=_TIMEOUT
                ),
            )
        except FileNotFoundError:
            return

    def names_of_run(self) -> list[str]:
        """Names of the jobs of this pipeline run, in any state."""
        place = (GROUP, VERSION, self.namespace, PLURAL)
        wanted = ",".join(f"{name}={value}" for name, value in run_label().items())
        if not wanted:
            return []
        found = self._ask(
            "list",
            lambda: self._objects.list_namespaced_custom_object(
                *place, label_selector=wanted, _request_timeout=_TIMEOUT
            ),
        )
        return [str(one["metadata"]["name"]) for one in found["items"]]

    def own_image(self) -> str:
        """The image of the task that asks: the pods that it starts run the same code, by the same digest."""
        name = os.environ.get("KFP_POD_NAME") or socket.gethostname()
        try:
            pod = self._ask(
                "get",
                lambda: self._pods.read_namespaced_pod(name, self.namespace, _request_timeout=_TIMEOUT),
            )
        except FileNotFoundError:
            raise WorkerError(f"no pod {name} in namespace {self.namespace}: a task submits a TrainJob") from None
        return str(next(one.image for one in pod.spec.containers if one.name == "main"))

    def last_words(self, name: str, lines: int = 20) -> str:
        """The end of the log of each pod of the job that did not succeed. Never raises: it adorns an error."""
        label = f"jobset.sigs.k8s.io/jobset-name={name}"
        told = []
        try:
            pods = self._pods.list_namespaced_pod(self.namespace, label_selector=label, _request_timeout=_TIMEOUT)
        except (ApiException, HTTPError) as error:
            return f"(the pods cannot be listed: {getattr(error, 'reason', '') or error})"
        for pod in pods.items:
            if pod.status.phase == "Succeeded":
                continue
            try:
                text = self._pods.read_namespaced_pod_log(
                    pod.metadata.name, self.namespace, tail_lines=lines, _request_timeout=_TIMEOUT
                ).rstrip()
            except (ApiException, HTTPError) as error:
                text = f"(its log cannot be read: {getattr(error, 'reason', '') or error})"
            told.append(f"--- {pod.metadata.name} ({pod.status.phase})\n{text}")
        return "\n".join(told)

    def _ask(self, verb: str, request: Callable[[], T]) -> T:
        """The answer, asked for again while the API is away. Raises FileExistsError (409) and FileNotFoundError (the
        object is not there) for the caller, WorkerError for the rest."""
        deadline, pause, told = time.monotonic() + self.patience, 0.2, False
        while True:
            try:
                return request()
            except (ApiException, HTTPError, OSError) as error:
                status = error.status if isinstance(error, ApiException) else 0
                passing = status in _PASSING or not status
                if not passing or time.monotonic() + pause > deadline:
                    raise self._reported(verb, status, error) from error
                if not told:
                    say(STAGE, f"the cluster's API does not answer ({status or type(error).__name__}); asking again")
                    told = True
                time.sleep(pause)
                pause = min(2 * pause, 15.0)

    def _reported(self, verb: str, status: int, error: Exception) -> Exception:
        text = " ".join(str(getattr(error, "body", "") or error).split())[:500]
        if status == 409 and verb == "create":
            return FileExistsError()
        if status == 404 and re.search(r"(trainjobs|pods)\S* .*not found", text):
            return FileNotFoundError()
        hint = {
            401: "the cluster does not know this pod's service account",
            403: "this pod's service account may not; the Role groundtune-runner of manifests/base allows it, run the "
            "pipeline with --service-account groundtune-runner",
            404: f"the cluster has no TrainJob ({GROUP}/{VERSION}): install Kubeflow Trainer 2.2 or newer, or take "
            "the package that trains in one pod",
            400: "this Kubeflow Trainer knows other fields; 2.2 or newer is needed",
            422: "Kubeflow Trainer refuses the job",
        }.get(status, f"it did not answer for {self.patience:g} s (patience); the job itself may go on")
        what = f"cannot {verb} a TrainJob or its pods in namespace {self.namespace}"
        return WorkerError(f"{what}: {hint}. The API said: {text}")


def _in_a_pod() -> tuple[Any, str]:
    """A client with the pod's service account, and the pod's namespace."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_incluster_config(client_configuration=configuration)
    return kubernetes.client.ApiClient(configuration), _OWN_NAMESPACE.read_text().strip()


def _by_kubeconfig() -> tuple[Any, str]:
    """A client for the current context of the file that KUBECONFIG names (~/.kube/config), and its namespace."""
    file = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    _, context = kubernetes.config.list_kube_config_contexts(file)
    return kubernetes.config.new_client_from_config(file), str(context["context"].get("namespace", "default"))
