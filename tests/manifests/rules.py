"""The house's rules for what runs on a cluster, as one list of breaches."""

import re
from collections.abc import Iterator

from tests.rendered import Item, containers_of, templates

DIGEST = re.compile(r"[^:@]+:[^:@]+@sha256:[0-9a-f]{64}")
OURS = re.compile(r"groundtune/[a-z-]+:[0-9][^:@]*")


def pods(items: list[Item]) -> Iterator[tuple[str, Item]]:
    """(name, pod spec) of every workload."""
    for item, template in templates(items):
        yield f"{item['kind']}/{item['metadata']['name']}", template["spec"]


def containers(items: list[Item]) -> Iterator[tuple[str, Item]]:
    for name, pod in pods(items):
        for container in containers_of(pod):
            yield f"{name}/{container['name']}", container


def faults(items: list[Item]) -> list[str]:
    """Every breach: image tags, users, capabilities, limits, secrets, probes, disruptions."""
    found = [f"Secret/{item['metadata']['name']} is in the clear" for item in items if item["kind"] == "Secret"]
    for name, pod in pods(items):
        found += _pod_faults(name, pod)
    for name, container in containers(items):
        found += _container_faults(name, container)
    for item, template in templates(items):
        if item["kind"] in ("Deployment", "StatefulSet"):
            found += _server_faults(items, item, template)
    return found


def _pod_faults(name: str, pod: Item) -> Iterator[str]:
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield f"{name} may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name} has no seccomp profile"
    if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
        yield f"{name} shares the node's namespaces"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{name} carries a token of the Kubernetes API"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"{name} mounts the node's files"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"{name} may fill its node through {volume['name']}"


def _container_faults(name: str, container: Item) -> Iterator[str]:
    image = container["image"]
    if not DIGEST.fullmatch(image) and not OURS.fullmatch(image):
        yield f"{name} uses {image}, a moving tag"
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{name} keeps rights"
    if security.get("runAsUser", 1) == 0 or security.get("runAsNonRoot", True) is not True:
        yield f"{name} may run as root"
    if security.get("readOnlyRootFilesystem") is not True:
        yield f"{name} can write to its image"
    for bound in ("requests", "limits"):
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get(bound, {})):
            yield f"{name} has no {bound}"
    for entry in container.get("env", []):
        if "value" in entry and any(word in entry["name"] for word in ("SECRET", "PASSWORD", "TOKEN")):
            yield f"{name} has {entry['name']} in the clear"
    for word in (*container.get("command", []), *container.get("args", [])):
        if re.search(r"\$\(\w*(SECRET|PASSWORD|TOKEN)\w*\)|://[^/\s]*:[^/\s]*@", word):
            yield f"{name} has a secret in its command line"


def _server_faults(items: list[Item], item: Item, template: Item) -> Iterator[str]:
    name = f"{item['kind']}/{item['metadata']['name']}"
    for container in template["spec"]["containers"]:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "ports" in container and probe not in container:
                yield f"{name}/{container['name']} has no {probe}"
    labels = template["metadata"]["labels"].items()
    budgets = [
        budget["spec"]["selector"]["matchLabels"].items() for budget in items if budget["kind"] == "PodDisruptionBudget"
    ]
    if sum(budget <= labels for budget in budgets) != 1:
        yield f"{name} has not exactly one PodDisruptionBudget"
    if not item["spec"]["selector"]["matchLabels"].items() <= labels:
        yield f"{name} does not select its own pods"
