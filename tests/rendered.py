"""What `kubectl apply -k` would send, and what a container of it would start with."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.parent for path in (MANIFESTS / "overlays").glob("*/kustomization.yaml"))
KUBECTL = Path(sys.executable).parent / "kubectl"

Item = dict[str, Any]


@functools.cache
def rendered(folder: Path) -> list[Item]:
    """The objects of a kustomization; one that does not render fails with kustomize's words."""
    command = [KUBECTL, "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def of_kind(items: list[Item], kind: str) -> list[Item]:
    return [item for item in items if item["kind"] == kind]


def one(items: list[Item], kind: str, name: str) -> Item:
    """The object of that kind and name; a generated name may have kustomize's hash behind it."""
    (found,) = [
        item for item in of_kind(items, kind) if re.fullmatch(f"{name}(-[a-z0-9]{{10}})?", item["metadata"]["name"])
    ]
    return found


def templates(items: list[Item]) -> Iterator[tuple[Item, Item]]:
    """(workload, its pod template)."""
    for item in items:
        template = item.get("spec", {}).get("template") if isinstance(item.get("spec"), dict) else None
        if template and "spec" in template and "containers" in template["spec"]:
            yield item, template


def containers_of(pod: Item) -> list[Item]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def secrets(values: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
    """The Secrets of the form, filled in: name -> key -> value; each value its own unless `values` gives one."""
    form = yaml.safe_load_all((MANIFESTS / "credentials.example.yaml").read_text())
    return {
        secret["metadata"]["name"]: {
            key: (values or {}).get(key, f"{secret['metadata']['name']}-{key}-0123456789".lower().replace("_", "-"))
            for key in secret["stringData"]
        }
        for secret in form
    }


def start_of(
    items: list[Item], kind: str, workload: str, container: str, filled: Mapping[str, Mapping[str, str]], **changed: str
) -> tuple[list[str], dict[str, str]]:
    """(command, environment) with which kubelet starts a container: ConfigMaps, then `env`, then $(NAME) in its words.

    changed: variables of ConfigMaps that are different here, as an overlay would change them.
    """
    pod = one(items, kind, workload)["spec"]["template"]["spec"]
    (found,) = [c for c in containers_of(pod) if c["name"] == container]
    environment: dict[str, str] = {}
    for source in found.get("envFrom", []):
        if "configMapRef" in source:
            data = one(items, "ConfigMap", source["configMapRef"]["name"])["data"]
            environment |= {name: changed.get(name, value) for name, value in data.items()}
        else:
            environment |= filled[source["secretRef"]["name"]]
    for entry in found.get("env", []):
        if "value" in entry:
            environment[entry["name"]] = changed.get(entry["name"], entry["value"])
        else:
            reference = entry["valueFrom"]["secretKeyRef"]
            environment[entry["name"]] = filled[reference["name"]][reference["key"]]
    expanded = [re.sub(r"\$\((\w+)\)", lambda m: environment[m[1]], word) for word in found["command"]]
    return expanded, environment
