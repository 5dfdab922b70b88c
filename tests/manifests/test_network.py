"""Who reaches whom: the NetworkPolicies read as Kubernetes reads them, from every kind of pod to every server."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.rendered import MANIFESTS, Item, of_kind, one, rendered, templates

RUN = {"workflows.argoproj.io/workflow": "align-x1", "pipelines.kubeflow.org/v2_component": "true"}
NODE = {"jobset.sigs.k8s.io/jobset-name": "train", "jobset.sigs.k8s.io/job-index": "0"}
NAMESPACES: dict[str, dict[str, str]] = {
    "groundtune": {},
    "kubeflow": {},
    "kube-system": {},
    "team-a": {"app.kubernetes.io/part-of": "kubeflow-profile"},
    "elsewhere": {},
}
Pod = tuple[str, dict[str, str]]  # namespace, labels


def chosen(selector: Item, labels: dict[str, str]) -> bool:
    """A label selector, as Kubernetes evaluates it."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        held = {
            "In": lambda value=value, rule=rule: value in rule["values"],
            "NotIn": lambda value=value, rule=rule: value not in rule["values"],
            "Exists": lambda value=value: value is not None,
            "DoesNotExist": lambda value=value: value is None,
        }[rule["operator"]]
        if not held():
            return False
    return True


def _peer(peer: Item, policy_namespace: str, other: Pod | str) -> bool:
    if isinstance(other, str):
        block = peer.get("ipBlock")
        inside = block and ip_address(other) in ip_network(block["cidr"])
        return bool(inside) and not any(ip_address(other) in ip_network(out) for out in block.get("except", []))
    namespace, labels = other
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": namespace, **NAMESPACES[namespace]}
        if not chosen(peer["namespaceSelector"], names):
            return False
    elif "podSelector" not in peer or namespace != policy_namespace:
        return False
    return chosen(peer.get("podSelector", {}), labels)


def _one_way(items: list[Item], direction: str, pod: Pod, other: Pod | str, port: int) -> bool:
    """True when no policy isolates the pod in that direction, or one of those that do lets the other in or out."""
    field, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    policies = [
        policy
        for policy in of_kind(items, "NetworkPolicy")
        if policy["metadata"]["namespace"] == pod[0]
        and direction in policy["spec"]["policyTypes"]
        and chosen(policy["spec"]["podSelector"], pod[1])
    ]
    if not policies:
        return True
    return any(
        (not rule.get("ports") or any(entry["port"] == port for entry in rule["ports"]))
        and (side not in rule or any(_peer(peer, pod[0], other) for peer in rule[side]))
        for policy in policies
        for rule in policy["spec"].get(field, [])
    )


def reaches(items: list[Item], source: Pod, target: Pod | str, port: int) -> bool:
    """True when a connection is let out of the source and into the target (an address outside has no policy)."""
    into = isinstance(target, str) or _one_way(items, "Ingress", target, source, port)
    return into and _one_way(items, "Egress", source, target, port)


def pods_of(items: list[Item]) -> dict[str, Pod]:
    """Every kind of pod there is: ours by their templates, and those that KFP and Trainer make."""
    made: dict[str, Any] = {
        item["metadata"]["name"]: (item["metadata"]["namespace"], template["metadata"].get("labels", {}))
        for item, template in templates(items)
    }
    place = one(items, "ServiceAccount", "groundtune-runner")["metadata"]["namespace"]
    strangers = {"kfp": ("kubeflow", {"app": "ml-pipeline"}), "profile": ("team-a", RUN), "stranger": ("elsewhere", {})}
    return {**made, "run": (place, RUN), "training node": (place, NODE), **strangers}


def ports_of(items: list[Item]) -> dict[str, int]:
    return {item["metadata"]["name"]: item["spec"]["ports"][0]["port"] for item in of_kind(items, "Service")}


RUNS = {"run", "training node", "groundtune-check"}
# A DaemonSet that only sleeps stands among runs: it is no service of ours.
EXPECTED = {
    "mlflow": {*RUNS, "groundtune-warm-images", "groundtune-tracking-setup", "kfp", "profile"},
    "postgresql": {"mlflow"},
    "seaweedfs": {*RUNS, "groundtune-warm-images", "groundtune-storage-setup", "mlflow", "kfp", "profile"},
}


def test_every_server_is_reached_by_those_who_need_it_and_by_nobody_else(overlay: list[Item]) -> None:
    pods, ports = pods_of(overlay), ports_of(overlay)
    assert set(ports) <= set(EXPECTED)
    for server, port in ports.items():
        reached = {name for name, pod in pods.items() if name != server and reaches(overlay, pod, pods[server], port)}
        assert reached == EXPECTED[server] & set(pods), server


def test_no_server_offers_another_port(overlay: list[Item]) -> None:
    pods, ports = pods_of(overlay), ports_of(overlay)
    for server, port in ports.items():
        for other in {22, 80, 443, 5000, 5432, 8333, 8888, 9333, 19333} - {port}:
            assert not any(reaches(overlay, pod, pods[server], other) for pod in pods.values()), (server, other)


def test_the_addresses_of_the_environment_are_ports_that_are_let_through(overlay: list[Item]) -> None:
    environment = one(overlay, "ConfigMap", "groundtune-environment")["data"]
    ports = ports_of(overlay)
    for name in ("MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"):
        address = environment[name].partition("://")[2]
        if address.endswith(".example.com"):
            continue  # a bucket outside: the next test
        host, _, port = address.partition(":")
        service, _, namespace = host.partition(".")
        assert namespace == "groundtune" and ports[service] == int(port)


@pytest.mark.parametrize(("name", "outside"), [("laptop", False), ("gpu", False), ("external-s3", True)])
def test_only_an_outside_bucket_opens_the_way_out(name: str, outside: bool) -> None:
    items = rendered(MANIFESTS / "overlays" / name)
    pods = pods_of(items)
    leaving = {
        source for source, pod in pods.items() if pod[0] == "groundtune" and reaches(items, pod, "52.1.2.3", 443)
    }
    assert bool(leaving) is outside
    if outside:
        assert {"run", "mlflow"} <= leaving and "postgresql" not in leaving
    assert not any(reaches(items, pod, "52.1.2.3", 80) for pod in pods.values() if pod[0] == "groundtune")


def test_the_metadata_address_of_a_cloud_stays_out_of_reach(overlay: list[Item]) -> None:
    for pod in pods_of(overlay).values():
        if pod[0] == "groundtune":
            assert not reaches(overlay, pod, "169.254.169.254", 80)
            assert not reaches(overlay, pod, "169.254.169.254", 443)


def test_the_nodes_of_one_training_talk_to_each_other_and_nobody_else_to_them() -> None:
    items = rendered(MANIFESTS / "overlays" / "gpu")
    pods = pods_of(items)
    node = pods["training node"]
    for port in (29400, 29500, 40123):
        talking = {name for name, pod in pods.items() if reaches(items, pod, node, port)}
        assert talking == {"training node"}


def test_everything_is_denied_to_a_pod_that_nobody_thought_of(overlay: list[Item]) -> None:
    (denied,) = [p for p in of_kind(overlay, "NetworkPolicy") if p["metadata"]["name"] == "deny-all"]
    assert denied["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    stray: Pod = ("groundtune", {"app.kubernetes.io/component": "tracking"})
    assert not any(reaches(overlay, stray, pod, 5000) for pod in pods_of(overlay).values())
    assert not reaches(overlay, stray, "52.1.2.3", 443) or "external-s3" in str(of_kind(overlay, "NetworkPolicy"))
    assert not any(reaches(overlay, pod, stray, 5000) for pod in pods_of(overlay).values())


def test_a_policy_that_is_missing_would_be_noticed() -> None:
    items = rendered(MANIFESTS / "overlays" / "gpu")
    pods = pods_of(items)
    assert reaches(items, pods["mlflow"], pods["postgresql"], 5432)
    for name in ("mlflow", "postgresql"):
        fewer = [item for item in items if (item["kind"], item["metadata"]["name"]) != ("NetworkPolicy", name)]
        assert not reaches(fewer, pods["mlflow"], pods["postgresql"], 5432)
