"""Promises of the TrainJob's manifest: known fields only, a valid restricted pod, the same environment as a task."""

import copy
import json

import jsonschema
import kubernetes_validate
import pytest

from groundtune.cluster import environment
from groundtune.cluster.manifest import Pods, train_job
from groundtune.errors import SettingError
from groundtune.settings.parallel import ParallelSettings
from pipelines import placement
from tests.unit.cluster.trainjob_schema import TRAIN_JOB

IMAGE = "registry/stage@sha256:" + "0" * 64
POOL = {"node_selector": {"pool": "a100"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}
# JobSet adds "-node-0-<index>-<5 letters>" to the name, and a pod's host name has 63 characters
LONGEST_NAME = 45


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-7")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-9c1e")
    settings = ParallelSettings(nodes=3)
    return train_job("groundtune-0123456789abcdef0123", "s3://bucket/job.json", IMAGE, Pods(8, **POOL), settings)


def pod_of(job):
    """The pod that Kubeflow Trainer makes of runtime, trainer and patches, as far as the job decides it."""
    spec, trainer = job["spec"], job["spec"]["trainer"]
    (patched,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    template = copy.deepcopy(patched["template"]["spec"]["template"])
    (container,) = template["spec"]["containers"]
    container |= {name: trainer[name] for name in ("image", "command", "args", "env")}
    container["resources"] = trainer["resourcesPerNode"]
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "x", **template["metadata"]}}


def test_the_job_has_the_fields_of_the_crd_and_no_other(made):
    jsonschema.validate(made, TRAIN_JOB)
    wrong = copy.deepcopy(made)
    wrong["spec"]["trainer"]["envFrom"] = []
    with pytest.raises(jsonschema.ValidationError, match="envFrom"):
        jsonschema.validate(wrong, TRAIN_JOB)
    assert len(made["metadata"]["name"]) <= LONGEST_NAME


@pytest.mark.parametrize("version", ["1.31", "1.33", "1.35"])
def test_its_pods_are_valid_on_kubernetes(made, version):
    kubernetes_validate.validate(pod_of(made), version, strict=True)
    wrong = pod_of(made)
    wrong["spec"]["containers"][0]["env"][0]["valueFrm"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_its_pods_are_restricted_and_have_room_to_write(made):
    spec = pod_of(made)["spec"]
    (container,) = spec["containers"]
    assert container["image"] == IMAGE
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
    }  # fmt: skip
    volumes = {volume["name"]: volume.get("emptyDir") for volume in spec["volumes"]}
    places = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert places["/dev/shm"] == {"medium": "Memory", "sizeLimit": "16Gi"} and "sizeLimit" in places["/tmp"]


def test_pool_gpus_and_processes_are_those_asked_for(made):
    spec = pod_of(made)["spec"]
    trainer = made["spec"]["trainer"]
    assert spec["nodeSelector"] == POOL["node_selector"] and spec["tolerations"] == POOL["tolerations"]
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "8"}
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (3, 8)
    assert Pods(0).processes(ParallelSettings()) == 1 and Pods(8).processes(ParallelSettings(processes=2)) == 2
    with pytest.raises(SettingError, match=r"'parallel.processes' is 4: expected at most the 2 GPUs of a pod"):
        Pods(2).processes(ParallelSettings(processes=4))


def test_workers_are_started_by_torchrun(made):
    trainer = made["spec"]["trainer"]
    assert [*trainer["command"], *trainer["args"]] == [
        "python", "-m", "torch.distributed.run", "-m", "groundtune.training.worker", "s3://bucket/job.json",
    ]  # fmt: skip


def test_the_environment_is_that_of_a_task_and_holds_no_secret(made):
    assert set(environment.CREDENTIALS) == {name for name in placement.CREDENTIALS if "JUDGE" not in name}
    entries = {entry["name"]: entry for entry in made["spec"]["trainer"]["env"]}
    assert entries["GROUNDTUNE_RUN_ID"]["value"] == "run-7"
    assert entries["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "groundtune-credentials"
    assert "canary-9c1e" not in json.dumps(made)
    reserved = ("PET_", "MASTER_", "WORLD_SIZE", "RANK")
    assert not any(name.startswith(reserved) for name in entries), "Kubeflow Trainer refuses torchrun's own names"
