"""A Kubernetes API on loopback that keeps TrainJobs and records every request: no cluster can be had in a test, the
client and its HTTP are real."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/team-a/trainjobs"
PODS = "/api/v1/namespaces/team-a/pods"


@dataclass
class KubernetesApi:
    """refuse: (method, status, text) answers that come instead of the next ones; status 0 cuts the connection.

    on_create: called with each new job, as the controller would be. logs: pod name -> text.
    """

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, list[str]]]] = field(default_factory=list)
    refuse: list[tuple[str, int, str]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    on_create: Callable[[dict[str, Any]], None] = lambda job: None
    known: bool = True  # False: no such CRD
    image: str = "registry/stage@sha256:" + "0" * 64  # of the pod `task-pod`, which asks
    server: Any = None

    def count(self, method: str) -> int:
        return sum(made == method for made, _, _ in self.requests)

    def set(self, name: str, kind: str, reason: str = "", message: str = "") -> None:
        """Put a condition of the job in place of those it had."""
        condition = {"type": kind, "status": "True", "reason": reason, "message": message}
        self.jobs[name].setdefault("status", {})["conditions"] = [condition]

    def kubeconfig(self, file: Path) -> Path:
        """A kubeconfig that leads here, in namespace team-a."""
        host, port = self.server.server_address
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://{host}:{port}"}}],
            "users": [{"name": "me", "user": {"token": "canary-token-7f3a"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "team-a"}}],
        }  # fmt: skip
        file.write_text(yaml.safe_dump(content))
        return file

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        for i, (wanted, status, text) in enumerate(self.refuse):
            if wanted == method:
                del self.refuse[i]
                return status, text if status in (0, 404) else _status(status, text)
        if path == f"{PODS}/task-pod":
            containers = [{"name": "wait", "image": "argoexec"}, {"name": "main", "image": self.image}]
            return 200, {"kind": "Pod", "metadata": {"name": "task-pod"}, "spec": {"containers": containers}}
        if path == PODS:
            pods = [{"metadata": {"name": name}, "status": {"phase": "Failed"}} for name in self.logs]
            return 200, {"kind": "PodList", "apiVersion": "v1", "items": pods}
        if path.startswith(PODS) and path.endswith("/log"):
            return 200, self.logs[path.split("/")[-2]]
        if path.startswith(PODS):
            return 404, _status(404, f'pods "{path.split("/")[-1]}" not found')
        if not self.known or not path.startswith(JOBS):
            return 404, "404 page not found"
        if path == JOBS and method == "GET":
            key, _, value = query["labelSelector"][0].partition("=")
            return 200, {"items": [job for job in self.jobs.values() if job["metadata"]["labels"].get(key) == value]}
        name = path.removeprefix(JOBS).strip("/") or body["metadata"]["name"]
        if method == "POST":
            if name in self.jobs:
                return 409, _status(409, f'trainjobs.trainer.kubeflow.org "{name}" already exists')
            self.jobs[name] = body
            self.on_create(body)
            return 201, body
        if name not in self.jobs:
            return 404, _status(404, f'trainjobs.trainer.kubeflow.org "{name}" not found')
        if method == "DELETE":
            del self.jobs[name]
            return 200, _status(200, "deleted")
        return 200, self.jobs[name]


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


@contextlib.contextmanager
def kubernetes_api() -> Iterator[KubernetesApi]:
    """A started API; stopped at the end."""
    api = KubernetesApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            api.requests.append((self.command, parts.path, parse_qs(parts.query)))
            status, content = api.answer(self.command, parts.path, parse_qs(parts.query), body)
            if status == 0:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            sent = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = _handle

        def log_message(self, format: str, *args: Any) -> None:
            """The test's log is not the server's."""

    api.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=api.server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        api.server.shutdown()
        api.server.server_close()
