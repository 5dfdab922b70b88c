"""Where tasks run on a cluster: node pools, environment, retries. kfp.local ignores all of it.

How much memory and CPU each stage asks for is in `resources`. Node pools are parameters of a run, and so is the
number of GPUs: the same package runs on an L4 and on an H200.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from kfp import dsl, kubernetes

from groundtune.cluster import environment
from groundtune.cluster.environment import AUTHORITIES, AUTHORITIES_FOLDER, CONFIG_MAP, ENVIRONMENT, SECRET

Task = TypeVar("Task", bound=dsl.PipelineTask)

CREDENTIALS = (*environment.CREDENTIALS, "GROUNDTUNE_JUDGE_API_KEY")
USER = 10001  # of every image of ours
RUN_ID_LABEL = "metadata.labels['pipeline/runid']"
RETRIES = 3  # of a GPU task; it goes on from its last part or checkpoint, so a retry costs little


def on_cpu(task: Task) -> Task:
    """A task without a GPU."""
    return _with_environment(task)


def gpu_pool(
    accelerator: Any, count: Any, node_selector: Any, tolerations: Any, tried_again: bool = True
) -> Callable[[Task], Task]:
    """What puts a task on a pool of GPU nodes, with /dev/shm in memory and retries. All four are pipeline parameters.

    accelerator: resource name of the GPUs. count: GPUs of one task, a text ("0": none, for a cluster without).
    node_selector: a mapping of labels. tolerations: a list of Kubernetes tolerations, of spot pools too.
    tried_again: False for a task whose errors are final.
    Argo retries a container that failed; for one whose node is gone the run is retried (`submit --retries`). Both go on
    from the state below GROUNDTUNE_STATE.
    """

    def on_gpu(task: Task) -> Task:
        task.set_accelerator_type(accelerator).set_accelerator_limit(count)
        # Else the loop or handler around the task would not hand them down: kfp looks at a task's arguments alone.
        task.register_pipeline_channels([accelerator, count])
        kubernetes.add_node_selector_json(task, node_selector_json=node_selector)
        kubernetes.add_toleration_json(task, toleration_json=tolerations)
        # Data workers and NCCL share tensors there; a container's own /dev/shm has 64 MiB.
        kubernetes.empty_dir_mount(task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit="8Gi")
        return _with_environment(retried(task) if tried_again else task)

    return on_gpu


def retried(task: Task) -> Task:
    """A task that goes on from its state when it is started again."""
    task.set_retry(num_retries=RETRIES, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
    return task


def _with_environment(task: Task) -> Task:
    """Endpoints from a ConfigMap, credentials from a Secret, the run's id from the pod: none enters a cache key."""
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {name: name for name in ENVIRONMENT}, optional=True)
    kubernetes.use_secret_as_env(task, SECRET, {name: name for name in CREDENTIALS}, optional=True)
    kubernetes.use_config_map_as_volume(task, AUTHORITIES, AUTHORITIES_FOLDER, optional=True)
    kubernetes.use_field_path_as_env(task, env_name="GROUNDTUNE_RUN_ID", field_path=RUN_ID_LABEL)
    # KFP sets the rest of what a restricted namespace asks for, but leaves it to the task not to be root.
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    return task
