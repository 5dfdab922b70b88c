"""The HTTP API of Kubeflow Pipelines as a contract that requests and replies are held against.

Two sources of the same: the published swagger file of the backend, where there is one (GROUNDTUNE_KFP_SWAGGER, or
../shared/kfp beside the repository), and the models of the installed kfp_server_api package.
"""

import inspect
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import kfp_server_api

SWAGGER = Path(
    os.environ.get("GROUNDTUNE_KFP_SWAGGER")
    or Path(__file__).parents[2] / "shared" / "kfp" / "kfp_api_v2beta1.swagger.json"
)


@dataclass(frozen=True)
class Operation:
    """One of the API's operations. body, reply: the schema of either source; body None when there is none."""

    name: str
    query: frozenset[str]
    body: Any
    reply: Any
    path: Mapping[str, str] = field(default_factory=dict)


class Contract(Protocol):
    """What the server asks."""

    def operation(self, method: str, path: str) -> Operation | None: ...

    def faults(self, schema: Any, value: Any) -> list[str]: ...


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([\w.]+)\}", template)
    names = [re.escape(text) if i % 2 == 0 else f"(?P<{text.replace('.', '_')}>[^/:]+)" for i, text in enumerate(parts)]
    return re.compile("".join(names))


def _find(operations: list[tuple[str, re.Pattern[str], Operation]], method: str, path: str) -> Operation | None:
    matches = [(pattern, one, pattern.fullmatch(path)) for verb, pattern, one in operations if verb == method]
    hits = sorted((len(found.groupdict()), i) for i, (_, _, found) in enumerate(matches) if found)
    if not hits:
        return None
    _, one, found = matches[hits[0][1]]  # `/pipelines/upload` before `/pipelines/{pipeline_id}`
    assert found is not None
    return Operation(one.name, one.query, one.body, one.reply, found.groupdict())


class SwaggerContract:
    """The backend's own file."""

    def __init__(self, file: Path = SWAGGER):
        self._document = json.loads(file.read_text())
        self._definitions = {name: _closed(one) for name, one in self._document["definitions"].items()}
        self._operations = [
            (method.upper(), _pattern(path), self._read(one))
            for path, methods in self._document["paths"].items()
            for method, one in methods.items()
            if path.startswith("/apis/v2beta1/")
        ]

    def operation(self, method: str, path: str) -> Operation | None:
        return _find(self._operations, method, path)

    def faults(self, schema: Any, value: Any) -> list[str]:
        whole = {**_closed(schema), "definitions": self._definitions}
        errors = jsonschema.Draft7Validator(whole).iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]

    @staticmethod
    def _read(one: dict[str, Any]) -> Operation:
        parameters = one.get("parameters", [])
        query = frozenset(p["name"] for p in parameters if p["in"] == "query")
        body = next((p["schema"] for p in parameters if p["in"] == "body"), None)
        return Operation(one["operationId"], query, body, one["responses"]["200"].get("schema", {}))


def _closed(schema: Any) -> Any:
    """The schema as strict as protobuf's JSON is: no unknown field, and an int64 as a number or a text."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int64":
        return {"type": ["string", "integer"], "pattern": r"^-?\d+$"}
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


class ModelContract:
    """The models and methods of the installed kfp_server_api."""

    _CALL = re.compile(r"call_api\(\s*'([^']+)', '(\w+)'")
    _QUERY = re.compile(r"query_params\.append\(\('([\w.]+)'")
    _BODY = re.compile(r"body_params = local_var_params\['(\w+)'\]")
    _REPLY = re.compile(r"response_type='([\w(), ]+)'")

    def __init__(self) -> None:
        self._operations = []
        for name, service in inspect.getmembers(kfp_server_api, inspect.isclass):
            if name.endswith("ServiceApi"):
                for method, function in inspect.getmembers(service, inspect.isfunction):
                    if method.endswith("_with_http_info"):
                        self._operations.append(self._read(method.removesuffix("_with_http_info"), function))

    def operation(self, method: str, path: str) -> Operation | None:
        return _find(self._operations, method, path)

    def faults(self, schema: Any, value: Any) -> list[str]:
        return list(self._faults(schema, value, ""))

    def _read(self, name: str, function: Any) -> tuple[str, re.Pattern[str], Operation]:
        source = inspect.getsource(function)
        call, body, reply = (kind.search(source) for kind in (self._CALL, self._BODY, self._REPLY))
        assert call
        kind = re.search(rf":type {body[1]}: (\w+)", source) if body else None
        query = frozenset(self._QUERY.findall(source))
        return (
            call[2],
            _pattern(call[1]),
            Operation(name, query, kind[1] if kind else None, reply[1] if reply else "object"),
        )

    def _faults(self, kind: str, value: Any, where: str) -> Any:
        if value is None:
            return
        inner = re.fullmatch(r"(list|dict)\[(?:str, ?)?(\w+)\]|dict\(str, ?(\w+)\)", kind)
        if inner and kind.startswith("list"):
            if not isinstance(value, list):
                yield f"{where}: {value!r} is no list"
                return
            for i, one in enumerate(value):
                yield from self._faults(inner[2], one, f"{where}/{i}")
        elif inner:
            if not isinstance(value, dict):
                yield f"{where}: {value!r} is no object"
                return
            for key, one in value.items():
                yield from self._faults(inner[2] or inner[3], one, f"{where}/{key}")
        elif hasattr(kfp_server_api, kind):
            yield from self._faults_of_model(getattr(kfp_server_api, kind), value, where)
        elif not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind in ("int", "str")):
            yield f"{where}: {value!r} is no {kind}"

    def _faults_of_model(self, model: Any, value: Any, where: str) -> Any:
        if not model.openapi_types:  # an enumeration
            if value not in model.allowable_values:
                yield f"{where}: {value!r} is none of {model.allowable_values}"
            return
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no {model.__name__}"
            return
        kinds = {key: model.openapi_types[name] for name, key in model.attribute_map.items()}
        for key, one in value.items():
            if key not in kinds:
                yield f"{where}: {model.__name__} has no field {key!r}"
            else:
                yield from self._faults(kinds[key], one, f"{where}/{key}")


# int64 is a text in the models; protobuf's JSON takes a number as well.
_PLAIN: dict[str, Any] = {
    "str": (str, int), "int": int, "bool": bool, "object": object, "datetime": str, "float": (int, float),
}  # fmt: skip

CONTRACTS: dict[str, type[SwaggerContract] | type[ModelContract]] = {"models": ModelContract}
if SWAGGER.is_file():
    CONTRACTS["swagger"] = SwaggerContract
