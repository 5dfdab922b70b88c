"""The fields of a TrainJob (trainer.kubeflow.org/v1alpha1, Kubeflow Trainer 2.2) as a strict JSON schema.

Written from the list of fields of its Go types: no cluster and no CRD can be had in a test. What Kubernetes itself
defines (env, volumes, security contexts, resources) is left open here and checked inside a Pod.
"""

from typing import Any

OPEN: dict[str, Any] = {"type": "object"}
OPEN_LIST = {"type": "array", "items": OPEN}
NAME = {"type": "string", "minLength": 1, "maxLength": 253}
WORDS = {"type": "array", "maxItems": 128, "items": {"type": "string", "maxLength": 65536}}
COUNT = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}


def _object(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": fields}


LABELS_ONLY = _object(labels=OPEN, annotations=OPEN)
CONTAINER = _object(("name",), name=NAME, env=OPEN_LIST, volumeMounts=OPEN_LIST, securityContext=OPEN)
POD_SPEC = _object(
    serviceAccountName=NAME, volumes=OPEN_LIST, initContainers={"type": "array", "items": CONTAINER},
    containers={"type": "array", "items": CONTAINER}, imagePullSecrets=OPEN_LIST, securityContext=OPEN,
    nodeSelector={"type": "object", "additionalProperties": {"type": "string"}}, affinity=OPEN, tolerations=OPEN_LIST,
    schedulingGates=OPEN_LIST,
)  # fmt: skip
POD = _object(metadata=LABELS_ONLY, spec=POD_SPEC)
JOB = _object(metadata=LABELS_ONLY, spec=_object(template=POD))
REPLICATED = {"type": "array", "maxItems": 100, "items": _object(("name",), name=NAME, template=JOB)}
PATCH = _object(
    ("manager",), manager=NAME, time={"type": "string"},
    trainingRuntimeSpec=_object(template=_object(metadata=LABELS_ONLY, spec=_object(replicatedJobs=REPLICATED))),
)  # fmt: skip
TRAINER = _object(
    image={"type": "string", "maxLength": 500}, command=WORDS, args=WORDS,
    env={"type": "array", "maxItems": 128, "items": OPEN}, numNodes=COUNT, numProcPerNode=COUNT,
    resourcesPerNode=OPEN,
)  # fmt: skip
SPEC = _object(
    ("runtimeRef",), runtimeRef=_object(("name",), name=NAME, apiGroup=NAME, kind=NAME), initializer=OPEN,
    trainer=TRAINER, runtimePatches={"type": "array", "maxItems": 16, "items": PATCH}, suspend={"type": "boolean"},
    activeDeadlineSeconds={"type": "integer", "minimum": 1}, managedBy={"type": "string", "maxLength": 253},
)  # fmt: skip
METADATA = _object(
    ("name",), name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}, labels=OPEN,
    annotations=OPEN, namespace=NAME,
)  # fmt: skip
TRAIN_JOB = _object(
    ("apiVersion", "kind", "metadata", "spec"), apiVersion={"const": "trainer.kubeflow.org/v1alpha1"},
    kind={"const": "TrainJob"}, metadata=METADATA, spec=SPEC,
)  # fmt: skip
