"""What `kubectl apply -k` would send: valid to the letter, and within the house's rules."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components import images
from pipelines import placement
from tests.manifests.conftest import OVERLAYS, ROOT, rendered

VERSIONS = ("1.30", "1.34", "1.37")
Item = dict[str, Any]


def pods(items: list[Item]) -> Iterator[tuple[str, Item]]:
    """(name, pod spec) of every workload."""
    for item in items:
        template = item.get("spec", {}).get("template") if isinstance(item.get("spec"), dict) else None
        if template:
            yield f"{item['kind']}/{item['metadata']['name']}", template["spec"]


def containers(items: list[Item]) -> Iterator[tuple[str, Item]]:
    for name, pod in pods(items):
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            yield f"{name}/{container['name']}", container


def faults(items: list[Item]) -> list[str]:
    """Every breach of the house's rules: image tags, users, capabilities, limits, secrets."""
    found = [f"Secret/{item['metadata']['name']} is in the clear" for item in items if item["kind"] == "Secret"]
    for name, pod in pods(items):
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            found.append(f"{name} may run as root")
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            found.append(f"{name} has no seccomp profile")
        if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
            found.append(f"{name} shares the node's namespaces")
        found += [f"{name} mounts the node's files" for volume in pod.get("volumes", []) if "hostPath" in volume]
    for name, container in containers(items):
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            found.append(f"{name} uses {container['image']}, a moving tag")
        security = container.get("securityContext", {})
        dropped = security.get("capabilities", {}).get("drop")
        if security.get("allowPrivilegeEscalation") is not False or dropped != ["ALL"]:
            found.append(f"{name} keeps rights")
        if security.get("readOnlyRootFilesystem") is not True:
            found.append(f"{name} can write to its image")
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get("limits", {})):
            found.append(f"{name} has no limits")
        for entry in container.get("env", []):
            if "value" in entry and any(word in entry["name"] for word in ("SECRET", "PASSWORD", "TOKEN")):
                found.append(f"{name} has {entry['name']} in the clear")
    return found


def of_kind(items: list[Item], kind: str) -> list[Item]:
    return [item for item in items if item["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_letter(overlay: list[Item], version: str) -> None:
    """An unknown kind raises too: nothing is let through unread."""
    for item in overlay:
        kubernetes_validate.validate(item, version, strict=True)


def test_strict_validation_sees_a_misspelt_field(overlay: list[Item]) -> None:
    (job,) = of_kind(overlay, "Job")
    misspelt = {**job, "spec": {**job["spec"], "backofLimit": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


def test_an_overlay_breaks_no_rule(overlay: list[Item]) -> None:
    assert faults(overlay) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image": "groundtune/light-python:latest"}, "moving tag"),
        ({"image": "groundtune/light-python"}, "moving tag"),
        ({"resources": {}}, "no limits"),
        ({"securityContext": {}}, "keeps rights"),
        ({"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "k"}]}, "in the clear"),
    ],
)
def test_a_broken_rule_would_be_found(overlay: list[Item], change: Item, fault: str) -> None:
    (job,) = of_kind(overlay, "Job")
    pod = job["spec"]["template"]["spec"]
    broken = {**pod, "containers": [{**pod["containers"][0], **change}]}
    assert any(fault in found for found in faults([{**job, "spec": {"template": {"spec": broken}}}]))


def test_a_secret_or_a_root_pod_would_be_found() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}}
    root = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": []}}}}
    assert "Secret/s is in the clear" in faults([secret])
    assert "Job/j may run as root" in faults([root])


def test_the_namespace_admits_only_restricted_pods(overlay: list[Item]) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_object_is_in_the_namespace(overlay: list[Item]) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    elsewhere = [item for item in overlay if item["kind"] != "Namespace"]
    assert {item["metadata"].get("namespace") for item in elsewhere} == {namespace["metadata"]["name"]}


def test_no_right_is_a_wildcard_and_secrets_are_named_one_by_one(overlay: list[Item]) -> None:
    assert not of_kind(overlay, "ClusterRole") and not of_kind(overlay, "ClusterRoleBinding")
    for role in of_kind(overlay, "Role"):
        for rule in role["rules"]:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            if {"secrets", "configmaps"} & set(rule["resources"]):
                assert rule["resourceNames"] and rule["verbs"] == ["get"]


def test_all_traffic_is_denied_but_what_is_named(overlay: list[Item]) -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(overlay, "NetworkPolicy")}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        assert policy["policyTypes"] == ["Egress"], f"{name} lets traffic in"
        for rule in policy["egress"]:
            assert rule["to"] and rule["ports"], f"{name} names no address or no port"


def test_the_metadata_address_of_a_cloud_stays_out_of_reach(overlay: list[Item]) -> None:
    for policy in of_kind(overlay, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                assert block["cidr"] != "0.0.0.0/0" or "169.254.0.0/16" in block["except"]


def test_the_environment_is_the_one_that_tasks_read(overlay: list[Item]) -> None:
    (environment,) = of_kind(overlay, "ConfigMap")
    assert environment["metadata"]["name"] == placement.CONFIG_MAP
    assert set(environment["data"]) == set(placement.ENVIRONMENT)
    assert environment["data"]["GROUNDTUNE_STATE"].startswith("s3://")


def test_the_example_of_the_secret_is_valid_names_what_tasks_read_and_holds_nothing() -> None:
    secret = yaml.safe_load((ROOT / "manifests" / "credentials.example.yaml").read_text())
    kubernetes_validate.validate(secret, VERSIONS[-1], strict=True)
    assert secret["metadata"]["name"] == placement.SECRET
    assert set(secret["stringData"]) == set(placement.CREDENTIALS)
    assert set(secret["stringData"].values()) == {"REPLACE_ME"}


def test_workloads_run_the_images_of_the_components(overlay: list[Item]) -> None:
    assert {container["image"] for _, container in containers(overlay)} <= {images.STAGE, images.LIGHT}


def test_there_are_overlays_for_a_laptop_gpus_and_an_outside_bucket() -> None:
    assert {path.name for path in OVERLAYS} >= {"laptop", "gpu", "external-s3"}


def test_a_hosted_judge_is_reached_by_a_component_and_only_over_https(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    overlay = tmp_path / "manifests" / "overlays" / "gpu"
    with (overlay / "kustomization.yaml").open("a") as stream:
        stream.write("\ncomponents:\n  - ../../components/hosted-judge\n")
    with_judge = rendered(overlay)
    for item in with_judge:
        kubernetes_validate.validate(item, VERSIONS[-1], strict=True)
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(with_judge, "NetworkPolicy")}
    (rule,) = policies["allow-hosted-judge"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [443]
    assert all("169.254.0.0/16" in peer["ipBlock"]["except"] for peer in rule["to"])
    plain = of_kind(rendered(ROOT / "manifests" / "overlays" / "gpu"), "NetworkPolicy")
    assert "allow-hosted-judge" not in {item["metadata"]["name"] for item in plain}, "nobody asked for one"
