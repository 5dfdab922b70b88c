"""An API server of Kubeflow Pipelines on loopback: it keeps what it is told in memory and runs nothing.

Every request and every reply is held against the contract (tests/kfp_contract.py); what breaks it is kept in
`violations` and answered with 400. `faults` make it fail: (method, part of the path) -> what to do, once each.
"""

import email
import email.policy
import json
import ssl
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from tests.kfp_contract import Contract, Operation

HANG_UP = -1  # a fault: the request is carried out, and the connection closed without an answer
LOGIN_PAGE = -2  # a fault: what a gateway answers to somebody who has not logged in
LARGEST_PAGE = 2
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}  # HTTP -> gRPC


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    operation: str
    query: dict[str, str]
    body: Any
    authorization: str


@dataclass
class State:
    """What the server knows, and what a test tells it to do."""

    contract: Contract
    token: str = ""
    multi_user: bool = False
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[tuple[str, str, int]] = field(default_factory=list)  # method, part of the path, status
    most_enabled: int = 0  # schedules that were enabled at one moment
    snapshots: list[dict[str, Any]] = field(default_factory=list)  # what the next questions about a run find changed

    def made(self, operation: str) -> list[Request]:
        """The requests of one operation; the two sources of the contract write its name differently."""
        return [one for one in self.requests if _plain(one.operation) == _plain(operation)]


class Refused(Exception):
    """Answered with this status."""

    def __init__(self, status: int, words: str):
        self.status, self.words = status, words
        super().__init__(words)


@contextmanager
def kfp_server(contract: Contract, tls: ssl.SSLContext | None = None, **state: Any) -> Iterator[tuple[str, State]]:
    """A server on a free port, its URL and its state. It must have seen nothing but what the contract allows."""
    known = State(contract, **state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(known))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert known.violations == []


def _handler(state: State) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            with lock:
                fault = self._fault()
                try:
                    if fault > 0:
                        raise Refused(fault, "told to fail")
                    reply = {} if fault == LOGIN_PAGE else self._carry_out(raw)
                    status = 200
                except Refused as error:
                    status = error.status
                    reply = {"error": error.words, "code": _CODES[status], "message": error.words}
            if fault == HANG_UP:
                self.close_connection = True
                return
            self._send(status, "text/html" if fault == LOGIN_PAGE else "application/json", reply)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            pass

        def _fault(self) -> int:
            for i, (method, part, status) in enumerate(state.faults):
                if method == self.command and part in self.path:
                    del state.faults[i]
                    return status
            return 0

        def _send(self, status: int, kind: str, reply: Any) -> None:
            content = b"<html>log in</html>" if kind == "text/html" else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _carry_out(self, raw: bytes) -> Any:
            split = urllib.parse.urlsplit(self.path)
            operation = state.contract.operation(self.command, urllib.parse.unquote(split.path))
            if operation is None:
                return _violated(state, f"{self.command} {split.path} is no operation of the API")
            query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
            body = _body(raw, self.headers.get("Content-Type", ""))
            given = self.headers.get("authorization", "")
            state.requests.append(Request(operation.name, query, body, given))
            unknown = set(query) - operation.query
            if unknown:
                return _violated(state, f"{operation.name}: unknown in the query: {sorted(unknown)}")
            if operation.body is not None:
                for words in state.contract.faults(operation.body, body):
                    return _violated(state, f"{operation.name}: request {words}")
            if state.token and given != f"Bearer {state.token}":
                raise Refused(401, "the token is not valid")
            reply = _WORK[_plain(operation.name)](state, operation, query, body)
            for words in state.contract.faults(operation.reply, reply):
                return _violated(state, f"{operation.name}: reply {words}")
            state.most_enabled = max(
                state.most_enabled, sum(one["mode"] == "ENABLE" for one in state.recurring.values())
            )
            return reply

    return Handler


def _plain(operation: str) -> str:
    return operation.replace("_", "").lower()


def _violated(state: State, words: str) -> Any:
    state.violations.append(words)
    raise Refused(400, words)


def _body(raw: bytes, kind: str) -> Any:
    if kind.startswith("multipart/"):
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw, policy=email.policy.HTTP)
        return {
            part.get_param("name", header="content-disposition"): part.get_content() for part in message.iter_parts()
        }
    return json.loads(raw) if raw else None


def _health(state: State, *_: Any) -> Any:
    return {"multi_user": state.multi_user}


def _create_experiment(state: State, _: Operation, __: Any, body: Any) -> Any:
    if state.multi_user and not body.get("namespace"):
        raise Refused(400, "a namespace is needed")
    if any(one["display_name"] == body["display_name"] for one in state.experiments.values()):
        raise Refused(409, f"experiment {body['display_name']} exists")
    return _kept(state.experiments, "experiment_id", {**body, "created_at": _now(state), "storage_state": "AVAILABLE"})


def _create_run(state: State, _: Operation, __: Any, body: Any) -> Any:
    _known(state.experiments, body.get("experiment_id"))
    specification = body.get("pipeline_spec")
    if specification is None:
        reference = body["pipeline_version_reference"]
        specification = _known(state.pipelines, reference["pipeline_id"])["specification"]
    inputs = specification.get("pipeline_spec", specification)["root"].get("inputDefinitions", {}).get("parameters", {})
    given = body["runtime_config"].get("parameters", {})
    for name, one in inputs.items():  # as the backend's template validation does
        if name not in given and "defaultValue" not in one and not one.get("isOptional"):
            raise Refused(400, f"parameter {name} is missing")
    for name in given:
        if name not in inputs:
            raise Refused(400, f"parameter {name} is none of the pipeline's")
    fresh = {**body, "created_at": _now(state), "state": "PENDING", "state_history": [{"state": "PENDING"}]}
    return _kept(state.runs, "run_id", fresh)


def _get_run(state: State, operation: Operation, *_: Any) -> Any:
    run = _known(state.runs, operation.path["run_id"])
    if state.snapshots:
        run.update(state.snapshots.pop(0))
        if run["state_history"][-1]["state"] != run["state"]:
            run["state_history"] = [*run["state_history"], {"state": run["state"]}]
    return run


def _retry_run(state: State, operation: Operation, *_: Any) -> Any:
    run = _known(state.runs, operation.path["run_id"])
    if run["state"] not in ("FAILED", "CANCELED"):
        raise Refused(400, "only a failed run can be tried again")
    return {}


def _create_recurring_run(state: State, _: Operation, __: Any, body: Any) -> Any:
    _known(state.experiments, body.get("experiment_id"))
    if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
        raise Refused(400, "cron has six fields")
    fresh = {**body, "created_at": _now(state), "max_concurrency": str(body["max_concurrency"])}
    fresh["status"] = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
    return _kept(state.recurring, "recurring_run_id", fresh)


def _set_mode(mode: str) -> Any:
    def change(state: State, operation: Operation, *_: Any) -> Any:
        one = _known(state.recurring, operation.path["recurring_run_id"])
        one["mode"], one["status"] = mode, f"{mode}D"
        return {}

    return change


def _delete_recurring_run(state: State, operation: Operation, *_: Any) -> Any:
    _known(state.recurring, operation.path["recurring_run_id"])
    del state.recurring[operation.path["recurring_run_id"]]
    return {}


def _upload_pipeline(state: State, _: Operation, query: Any, body: Any) -> Any:
    text = body["uploadfile"]
    specification = next(yaml.safe_load_all(text.decode() if isinstance(text, bytes) else text))
    name = query.get("name") or specification["pipelineInfo"]["name"]
    kept = _kept(state.pipelines, "pipeline_id", {"display_name": name, "created_at": _now(state)})
    state.pipelines[kept["pipeline_id"]]["specification"] = specification
    return kept


def _listed(name: str, things: str) -> Any:
    def answer(state: State, operation: Operation, query: dict[str, str], _: Any) -> Any:
        found = [_without(one, "specification") for one in getattr(state, things).values()]
        if "experiment_id" in query:
            found = [one for one in found if one["experiment_id"] == query["experiment_id"]]
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            found = [one for one in found if one[predicate["key"]] == predicate["stringValue"]]
        start = int(query.get("page_token") or 0)
        end = start + min(int(query.get("page_size") or LARGEST_PAGE), LARGEST_PAGE)
        following = {"next_page_token": str(end)} if end < len(found) else {}
        return {name: found[start:end], "total_size": len(found), **following}

    return answer


def _got(things: str, key: str) -> Any:
    def answer(state: State, operation: Operation, *_: Any) -> Any:
        return _without(_known(getattr(state, things), operation.path[key]), "specification")

    return answer


def _kept(where: dict[str, Any], key: str, thing: dict[str, Any]) -> dict[str, Any]:
    where[thing.setdefault(key, str(uuid.uuid4()))] = thing
    return dict(thing)


def _known(where: dict[str, Any], key: str | None) -> dict[str, Any]:
    if key not in where:
        raise Refused(404, f"{key} not found")
    found: dict[str, Any] = where[key]
    return found


def _without(thing: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name != key}


def _now(state: State) -> str:
    return f"2026-12-01T00:{len(state.requests) // 60 % 60:02d}:{len(state.requests) % 60:02d}Z"


_WORK: dict[str, Any] = {
    "healthzservicegethealthz": _health,
    "experimentservicelistexperiments": _listed("experiments", "experiments"),
    "experimentservicecreateexperiment": _create_experiment,
    "experimentservicegetexperiment": _got("experiments", "experiment_id"),
    "runservicecreaterun": _create_run,
    "runservicegetrun": _get_run,
    "runservicelistruns": _listed("runs", "runs"),
    "runserviceretryrun": _retry_run,
    "recurringrunservicecreaterecurringrun": _create_recurring_run,
    "recurringrunservicelistrecurringruns": _listed("recurringRuns", "recurring"),
    "recurringrunservicegetrecurringrun": _got("recurring", "recurring_run_id"),
    "recurringrunserviceenablerecurringrun": _set_mode("ENABLE"),
    "recurringrunservicedisablerecurringrun": _set_mode("DISABLE"),
    "recurringrunservicedeleterecurringrun": _delete_recurring_run,
    "uploadpipeline": _upload_pipeline,
    "pipelineservicelistpipelines": _listed("pipelines", "pipelines"),
}
