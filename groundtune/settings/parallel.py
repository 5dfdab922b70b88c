"""How training is spread over processes. None of it changes the adapter, so none of it is part of its identity."""

from dataclasses import dataclass

from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class ParallelSettings(Settings):
    """train_dpo on several GPUs: the same pairs in every step, with the same weights, as on one. From `nodes` on, the
    settings are those of a TrainJob (packages of `compile --trainer trainjob`)."""

    processes: int = setting(
        0, "Processes of one node, one a GPU; 0 starts one for every GPU of the task, without any a single one.", low=0
    )
    sharding: str = setting(
        "ddp",
        "ddp: each GPU holds the whole model; fsdp: the frozen weights as well are spread over the GPUs, a layer is "
        "whole only while it runs.",
        choices=("ddp", "fsdp"),
    )
    timeout: float = setting(
        1800.0, "A process that waits longer than this for the others ends the training.", unit="seconds", low=1.0
    )
    nodes: int = setting(1, "Pods that train together; more than one needs Kubeflow Trainer.", unit="pods", low=1)
    runtime: str = setting("torch-distributed", "ClusterTrainingRuntime of Kubeflow Trainer, of the torch policy.")
    service_account: str = setting("groundtune-runner", "Service account of the pods that train.")
    cpu: str = setting("8", "CPU of each pod.", unit="Kubernetes quantity")
    memory: str = setting("64Gi", "Memory of each pod.", unit="Kubernetes quantity")
    shared_memory: str = setting("16Gi", "/dev/shm of each pod, part of its memory.", unit="Kubernetes quantity")
    scratch: str = setting("100Gi", "Disk of each pod for the model and checkpoints.", unit="Kubernetes quantity")
    deadline: int = setting(172_800, "The job is ended when it has run longer.", unit="seconds", low=60)
    poll: float = setting(15.0, "Time between two looks at the job.", unit="seconds", low=0.01)
    patience: float = setting(
        600.0, "The task gives up when the cluster's API does not answer for longer.", unit="seconds", low=0.0
    )
