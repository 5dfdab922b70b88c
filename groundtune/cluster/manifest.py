"""The TrainJob of a training: trainer.kubeflow.org/v1alpha1 as Kubeflow Trainer 2.2 knows it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundtune.cluster.environment import AUTHORITIES, AUTHORITIES_FOLDER, run_id, variables
from groundtune.errors import SettingError
from groundtune.settings.parallel import ParallelSettings

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
LABEL, RUN_LABEL = "groundtune.io/trainjob", "groundtune.io/run"
MANAGER = "groundtune.io/train-dpo-job"
_NODE = "node"  # Kubeflow Trainer's name of the replicated job, and of its container, that trains


@dataclass(frozen=True)
class Pods:
    """Where the pods of a training go. gpus: of each pod; 0 trains on its CPU.

    node_selector, tolerations: as Kubernetes has them.
    """

    gpus: int
    accelerator: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()

    def processes(self, settings: ParallelSettings) -> int:
        """Of one pod. Raises SettingError when they are more than its GPUs."""
        if self.gpus and settings.processes > self.gpus:
            raise SettingError("parallel.processes", settings.processes, f"at most the {self.gpus} GPUs of a pod")
        return settings.processes or max(1, self.gpus)


def train_job(name: str, job: str, image: str, pods: Pods, settings: ParallelSettings) -> dict[str, Any]:
    """job: s3:// URI that every worker reads. image: of the pods.

    torchrun takes nodes, processes and rendezvous from the PET_* variables that Kubeflow Trainer sets; `accelerate
    launch` would start a single process and say nothing.
    """
    quantities = {"cpu": settings.cpu, "memory": settings.memory}
    if pods.gpus:
        quantities[pods.accelerator] = str(pods.gpus)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "groundtune", LABEL: name} | run_label()},
        "spec": {
            "runtimeRef": {"apiGroup": GROUP, "kind": "ClusterTrainingRuntime", "name": settings.runtime},
            "activeDeadlineSeconds": settings.deadline,
            "trainer": {
                "image": image,
                "command": ["python", "-m", "torch.distributed.run"],
                "args": ["-m", "groundtune.training.worker", job],
                "env": variables(),
                "numNodes": settings.nodes,
                "numProcPerNode": pods.processes(settings),
                "resourcesPerNode": {"limits": dict(quantities), "requests": dict(quantities)},
            },
            "runtimePatches": [_patch(name, pods, settings)],
        },
    }


def run_label() -> dict[str, str]:
    """The pipeline run that a job belongs to, as a label; {} outside of one."""
    run = re.sub(r"[^\w.-]", "_", run_id())[:63].strip("_.-")
    return {RUN_LABEL: run} if run else {}


def _patch(name: str, pods: Pods, settings: ParallelSettings) -> dict[str, Any]:
    # A service mesh's sidecar would neither pass the network policies nor end with the training.
    labels = {LABEL: name, "sidecar.istio.io/inject": "false"}
    template = {"metadata": {"labels": labels}, "spec": _pod(pods, settings)}
    jobs = [{"name": _NODE, "template": {"spec": {"template": template}}}]
    return {"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}


def _pod(pods: Pods, settings: ParallelSettings) -> dict[str, Any]:
    """What Pod Security "restricted" wants, and room to write in: the root file system is read-only."""
    shm = {"medium": "Memory", "sizeLimit": settings.shared_memory}  # a container's own has 64 MiB
    return {
        "serviceAccountName": settings.service_account,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "nodeSelector": dict(pods.node_selector),
        "tolerations": [dict(toleration) for toleration in pods.tolerations],
        "volumes": [
            {"name": "shm", "emptyDir": shm},
            {"name": "scratch", "emptyDir": {"sizeLimit": settings.scratch}},
            {"name": "authorities", "configMap": {"name": AUTHORITIES, "optional": True}},
        ],
        "containers": [
            {
                "name": _NODE,
                "volumeMounts": [
                    {"name": "shm", "mountPath": "/dev/shm"},
                    {"name": "scratch", "mountPath": "/tmp"},
                    {"name": "authorities", "mountPath": AUTHORITIES_FOLDER, "readOnly": True},
                ],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
            }
        ],
    }
