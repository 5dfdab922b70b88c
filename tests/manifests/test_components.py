"""The variants of an overlay: each rendered the way a user adds it, each valid."""

import re
import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from pipelines import placement
from tests.manifests.rules import faults
from tests.manifests.test_manifests import VERSIONS
from tests.manifests.test_references import FORM, missing
from tests.rendered import MANIFESTS, OVERLAYS, Item, of_kind, one, rendered

COMPONENTS = sorted(path.parent.name for path in (MANIFESTS / "components").glob("*/kustomization.yaml"))


def with_component(tmp_path: Path, overlay: str, *names: str, more: str = "") -> list[Item]:
    """An overlay of the user's own: one of ours, and components."""
    copy = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, copy, dirs_exist_ok=True)
    own = copy / "overlays" / "own"
    own.mkdir()
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", f"resources: [../{overlay}]"]
    lines.append(f"components: [{', '.join(f'../../components/{name}' for name in names)}]")
    (own / "kustomization.yaml").write_text("\n".join(lines) + f"\n{more}")
    return rendered(own)


def names(items: list[Item], kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in of_kind(items, kind)}


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_renders_on_an_overlay_is_valid_and_breaks_no_rule(component: str, tmp_path: Path) -> None:
    ours = {"gpu-pool": "laptop", "iam-roles": "external-s3", "standalone-pipelines": "gpu"}
    items = with_component(tmp_path, ours.get(component, "gpu"), component)
    for item in items:
        if item["kind"] == "ExternalSecret":
            continue  # its shape has a test below
        kubernetes_validate.validate(item, VERSIONS[-1], strict=True)
    assert faults(items) == []
    assert missing(items) == []


def test_external_secrets_bring_every_secret_with_every_key(tmp_path: Path) -> None:
    """No schema of External Secrets Operator is at hand: its fields are held one by one."""
    items = with_component(tmp_path, "gpu", "external-secrets")
    found = of_kind(items, "ExternalSecret")
    assert {item["metadata"]["name"] for item in found} == set(FORM)
    for item in found:
        assert set(item) == {"apiVersion", "kind", "metadata", "spec"}
        assert item["apiVersion"] == "external-secrets.io/v1"
        spec = item["spec"]
        assert set(spec) == {"refreshInterval", "secretStoreRef", "target", "dataFrom"}
        assert re.fullmatch(r"\d+h", spec["refreshInterval"])
        assert spec["secretStoreRef"] == {"kind": "SecretStore", "name": "groundtune"}
        # the whole entry becomes the Secret: whatever keys the form has, the entry has
        assert spec["target"] == {"name": item["metadata"]["name"], "creationPolicy": "Owner"}
        assert spec["dataFrom"] == [{"extract": {"key": item["metadata"]["name"]}}]


@pytest.mark.parametrize("overlay", ["gpu", "external-s3"])
def test_runs_of_a_standalone_installation_have_all_they_need_in_its_namespace(overlay: str, tmp_path: Path) -> None:
    items = with_component(tmp_path, overlay, "standalone-pipelines")
    moved = {(i["kind"], i["metadata"]["name"]) for i in items if i["metadata"].get("namespace") == "kubeflow"}
    assert moved == {
        ("ServiceAccount", "groundtune-runner"),
        ("Role", "groundtune-runner"),
        ("RoleBinding", "groundtune-runner"),
        ("ConfigMap", placement.CONFIG_MAP),
        ("Job", "groundtune-check"),
        ("ResourceQuota", "groundtune-gpus"),
    }
    assert one(items, "RoleBinding", "groundtune-runner")["subjects"][0]["namespace"] == "kubeflow"
    denied = {p["metadata"]["namespace"] for p in of_kind(items, "NetworkPolicy")}
    assert denied == {"groundtune"}, "Kubeflow's own pods live in kubeflow: nothing is cut off there"


def test_a_profile_gets_what_its_runs_need_and_reads_the_servers_of_groundtune() -> None:
    items = rendered(MANIFESTS / "profile")
    for item in items:
        for version in VERSIONS:
            kubernetes_validate.validate(item, version, strict=True)
    assert {item["metadata"]["namespace"] for item in items} == {"team-a"}
    bindings = of_kind(items, "RoleBinding")
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {"team-a"}
    assert (
        one(items, "ConfigMap", placement.CONFIG_MAP)["data"]["MLFLOW_TRACKING_URI"] == "http://mlflow.groundtune:5000"
    )
    assert faults(items) == []
    assert missing(items) == []


def test_a_database_outside_replaces_ours_whole(tmp_path: Path) -> None:
    text = (MANIFESTS / "components" / "external-postgresql" / "kustomization.yaml").read_text()
    example = "\n".join(line[6:] for line in text.splitlines() if line.startswith("#     "))
    items = with_component(tmp_path, "gpu", "external-postgresql", more=_in_namespace(example))
    assert not [item for item in items if "postgresql" in item["metadata"]["name"] and item["kind"] != "NetworkPolicy"]
    data = one(items, "ConfigMap", "groundtune-tracking")["data"]
    assert data["PGHOST"] == "db.example.com"
    assert data["PGSSLMODE"] == "require"
    (rule,) = one(items, "NetworkPolicy", "allow-external-postgresql")["spec"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [5432]


def _in_namespace(example: str) -> str:
    """A generator merges with one of the same name and namespace."""
    parsed = yaml.safe_load(example)
    assert parsed["configMapGenerator"][0]["namespace"] == "groundtune"
    return example


def test_roles_stand_on_the_accounts_that_pods_use(tmp_path: Path) -> None:
    items = with_component(tmp_path, "external-s3", "iam-roles")
    for account in of_kind(items, "ServiceAccount"):
        role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        assert role == f"arn:aws:iam::111122223333:role/{account['metadata']['name']}"
    for kind, name, account in (
        ("Deployment", "mlflow", "groundtune-tracking"),
        ("Job", "groundtune-check", "groundtune-runner"),
    ):
        assert one(items, kind, name)["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_a_hosted_judge_is_reached_by_a_component_and_only_over_https(tmp_path: Path) -> None:
    policy = one(with_component(tmp_path, "gpu", "hosted-judge"), "NetworkPolicy", "allow-hosted-judge")["spec"]
    (servers,) = policy["podSelector"]["matchExpressions"]
    assert servers["operator"] == "NotIn" and set(servers["values"]) == {"tracking", "postgresql", "storage"}
    (rule,) = policy["egress"]
    assert [port["port"] for port in rule["ports"]] == [443]
    assert all("169.254.0.0/16" in peer["ipBlock"]["except"] for peer in rule["to"])
    assert "allow-hosted-judge" not in names(rendered(MANIFESTS / "overlays" / "gpu"), "NetworkPolicy"), "nobody asked"


def test_every_overlay_is_one_that_users_may_extend() -> None:
    assert {path.name for path in OVERLAYS} == {"laptop", "gpu", "external-s3"}
