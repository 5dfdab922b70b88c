"""What a pod of one of our workloads names is there: Secrets, ConfigMaps, keys, volumes, ports."""

import re

import pytest
import yaml

from tests.manifests.rules import containers, pods
from tests.rendered import MANIFESTS, Item, containers_of, of_kind, one, rendered, templates

FORM = {
    secret["metadata"]["name"]: set(secret["stringData"])
    for secret in yaml.safe_load_all((MANIFESTS / "credentials.example.yaml").read_text())
}
# Where each program writes besides its volumes' own purpose; a read-only root leaves no other place.
WRITTEN = {
    "postgresql": {"/var/lib/postgresql/data", "/var/run/postgresql", "/tmp"},
    "seaweedfs": {"/data", "/tmp"},
    "identities": {"/identities"},
    "admin": {"/data", "/tmp"},
}


def config_maps(items: list[Item]) -> dict[tuple[str, str], set[str]]:
    return {(m["metadata"]["namespace"], m["metadata"]["name"]): set(m["data"]) for m in of_kind(items, "ConfigMap")}


def missing(items: list[Item]) -> list[str]:
    """Every Secret, ConfigMap or key of them that a container wants and nobody provides, where the pod is."""
    found: list[str] = []
    maps = config_maps(items)
    for item, template in templates(items):
        place = item["metadata"]["namespace"]
        pod = template["spec"]
        for volume in pod.get("volumes", []):
            if "configMap" in volume and not volume["configMap"].get("optional"):
                keys = maps.get((place, volume["configMap"]["name"]))
                wanted = {entry["key"] for entry in volume["configMap"].get("items", [])}
                if keys is None or not wanted <= keys:
                    found.append(f"{item['metadata']['name']}: ConfigMap {volume['configMap']['name']} {wanted}")
        for container in containers_of(pod):
            sources = container.get("envFrom", [])
            found += [str(s) for s in sources if "secretRef" in s and s["secretRef"]["name"] not in FORM]
            found += [str(s) for s in sources if "configMapRef" in s and (place, s["configMapRef"]["name"]) not in maps]
            for entry in container.get("env", []):
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference and reference["key"] not in FORM.get(reference["name"], set()):
                    found.append(f"{item['metadata']['name']}: Secret {reference}")
    return found


def test_every_secret_and_config_map_that_a_pod_names_is_there_with_its_keys(overlay: list[Item]) -> None:
    assert missing(overlay) == []


def test_a_missing_config_map_would_be_found(overlay: list[Item]) -> None:
    assert missing([item for item in overlay if not item["metadata"]["name"].startswith("groundtune-tracking-files")])


def test_every_key_of_the_form_is_one_that_something_reads(overlay: list[Item]) -> None:
    read = {
        source["secretRef"]["name"]
        for _, c in containers(overlay)
        for source in c.get("envFrom", [])
        if "secretRef" in source
    }
    keys = {
        (reference["name"], reference["key"])
        for _, c in containers(overlay)
        for entry in c.get("env", [])
        if (reference := entry.get("valueFrom", {}).get("secretKeyRef"))
    }
    has_store = any(item["metadata"]["name"] == "seaweedfs" for item in overlay)
    for name, wanted in FORM.items():
        if name != "groundtune-storage" or has_store:
            assert name in read or wanted == {key for secret, key in keys if secret == name}, name


def test_variables_in_command_lines_are_variables_of_the_container(overlay: list[Item]) -> None:
    maps = {name: keys for (_, name), keys in config_maps(overlay).items()}
    for name, container in containers(overlay):
        known = {entry["name"] for entry in container.get("env", [])}
        for source in container.get("envFrom", []):
            known |= (
                maps[source["configMapRef"]["name"]] if "configMapRef" in source else FORM[source["secretRef"]["name"]]
            )
        for word in container.get("command", []):
            for variable in [part.partition(")")[0] for part in word.split("$(")[1:]]:
                assert variable in known, f"{name}: {word}"


def test_every_mount_has_its_volume_and_every_volume_its_mount(overlay: list[Item]) -> None:
    for item, template in templates(overlay):
        pod = template["spec"]
        claims = {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | claims
        mounts = {mount["name"] for container in containers_of(pod) for mount in container.get("volumeMounts", [])}
        assert mounts == volumes, item["metadata"]["name"]


def test_every_place_that_a_container_may_write_to_is_one_that_it_needs(overlay: list[Item]) -> None:
    for name, pod in pods(overlay):
        files = {volume["name"] for volume in pod.get("volumes", []) if "configMap" in volume}
        for container in containers_of(pod):
            mounts = container.get("volumeMounts", [])
            written = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
            assert written <= WRITTEN.get(container["name"], {"/tmp"}), name
            assert all(mount.get("readOnly") for mount in mounts if mount["name"] in files), name


@pytest.mark.parametrize("field", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_ports_that_the_container_opens(overlay: list[Item], field: str) -> None:
    for _, container in containers(overlay):
        request = container.get(field, {}).get("httpGet")
        if request:
            assert request["port"] in {port["name"] for port in container["ports"]}


def test_services_lead_to_ports_of_pods(overlay: list[Item]) -> None:
    for service in of_kind(overlay, "Service"):
        chosen = [
            template
            for _, template in templates(overlay)
            if service["spec"]["selector"].items() <= template["metadata"].get("labels", {}).items()
        ]
        (template,) = chosen
        open_ports = {
            port["name"]: port["containerPort"] for c in template["spec"]["containers"] for port in c.get("ports", [])
        }
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in open_ports


def test_users_of_the_store_have_rights_to_buckets_that_are_made() -> None:
    buckets = one(rendered(MANIFESTS / "base"), "ConfigMap", "groundtune-storage")["data"]["BUCKETS"].split()
    script = (MANIFESTS / "base" / "storage" / "identities.sh").read_text()
    assert {right.rpartition(":")[2] for right in re.findall(r'"(\w+:[\w-]+)"', script)} == set(buckets)


def test_the_store_sees_no_keys_in_its_environment() -> None:
    """SeaweedFS makes an administrator of AWS_ACCESS_KEY_ID: whoever else has that key could do everything."""
    pod = one(rendered(MANIFESTS / "base"), "StatefulSet", "seaweedfs")["spec"]["template"]["spec"]
    names = {entry["name"] for container in containers_of(pod) for entry in container.get("env", [])}
    assert names and not [name for name in names if name.startswith("AWS_")]
    assert not [container["name"] for container in pod["containers"] if {"env", "envFrom"} & set(container)]
