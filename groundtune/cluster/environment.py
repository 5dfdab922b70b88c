"""What a pod of ours finds around it: endpoints from a ConfigMap, credentials from a Secret, authorities in a folder.

Tasks of a pipeline (pipelines/placement.py) and pods that train together have the same. manifests/base brings ConfigMap
and form of the Secret; what is not in them stays unset.
"""

import os
from typing import Any

CONFIG_MAP = "groundtune-environment"  # never secrets
SECRET = "groundtune-credentials"
ENVIRONMENT = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "GROUNDTUNE_S3_ADDRESSING",
    "GROUNDTUNE_S3_PATIENCE",
    "GROUNDTUNE_STATE",
    "GROUNDTUNE_CACHE",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_EXPERIMENT_NAME",
)
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
# PEM files of private authorities, for AWS_CA_BUNDLE and MLFLOW_TRACKING_SERVER_CERT_PATH to name.
AUTHORITIES, AUTHORITIES_FOLDER = "groundtune-authorities", "/etc/groundtune/authorities"
OF_THE_RUN = ("GROUNDTUNE_RUN_ID", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")  # ids of the task that asks, no secrets


def run_id() -> str:
    """Of the pipeline run that this task belongs to, "" outside of one."""
    return os.environ.get("GROUNDTUNE_RUN_ID", "")


def variables() -> list[dict[str, Any]]:
    """Container env entries. A TrainJob takes no `envFrom`; what is not in ConfigMap or Secret stays unset."""
    of_the_run = [{"name": name, "value": os.environ[name]} for name in OF_THE_RUN if os.environ.get(name)]
    return [
        {"name": "HOME", "value": "/tmp"},  # the root file system is read-only
        *of_the_run,
        *(_from("configMapKeyRef", CONFIG_MAP, name) for name in ENVIRONMENT),
        *(_from("secretKeyRef", SECRET, name) for name in CREDENTIALS),
    ]


def _from(kind: str, source: str, name: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {kind: {"name": source, "key": name, "optional": True}}}
