"""Where tasks run on a cluster: environment, resources, GPU. kfp.local ignores all of it."""

from typing import TypeVar

from kfp import dsl, kubernetes

Task = TypeVar("Task", bound=dsl.PipelineTask)

CONFIG_MAP = "groundtune-environment"  # manifests/base: endpoints, never secrets
SECRET = "groundtune-credentials"
ENVIRONMENT = ("AWS_ENDPOINT_URL", "AWS_REGION", "GROUNDTUNE_STATE", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "GROUNDTUNE_JUDGE_API_KEY",
)
RUN_ID_LABEL = "metadata.labels['pipeline/runid']"


def on_cpu(task: Task) -> Task:
    """A light task: no accelerator, a small memory limit."""
    task.set_cpu_limit("2").set_memory_limit("8Gi")
    return _with_environment(task)


def on_gpu(task: Task) -> Task:
    """A task that computes with the model: one NVIDIA GPU, /dev/shm in memory, retried when its node is lost."""
    task.set_cpu_limit("8").set_memory_limit("64Gi")
    task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
    kubernetes.empty_dir_mount(task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit="8Gi")
    task.set_retry(num_retries=2, backoff_duration="60s")
    return _with_environment(task)


def _with_environment(task: Task) -> Task:
    """Endpoints from a ConfigMap, credentials from a Secret, the run's id from the pod: none enters a cache key."""
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {name: name for name in ENVIRONMENT}, optional=True)
    kubernetes.use_secret_as_env(task, SECRET, {name: name for name in CREDENTIALS}, optional=True)
    kubernetes.use_field_path_as_env(task, env_name="GROUNDTUNE_RUN_ID", field_path=RUN_ID_LABEL)
    return task
