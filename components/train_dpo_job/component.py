"""train_dpo_job: LoRA on preference pairs, over several nodes."""

from typing import List, Optional

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def train_dpo_job(
    prompts: dsl.Input[dsl.Dataset],
    confidence: dsl.Input[List[dsl.Dataset]],
    pairs: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    settings: dict,
    adapter: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    image_pairs: Optional[dsl.Input[List[dsl.Dataset]]] = None,
    image_reference: Optional[dsl.Input[List[dsl.Dataset]]] = None,
    accelerator: str = "nvidia.com/gpu",
    gpus: str = "1",
    node_selector: dict = {},  # noqa: B006  KFP reads it as the parameter's default
    tolerations: list = [],  # noqa: B006
    parallel: dict = {},  # noqa: B006
    policy_adapter: str = "",
):
    """train_dpo as a TrainJob of Kubeflow Trainer: this task submits and follows it, the job's pods hold the GPUs."""
    from groundtune.cluster import train
    from groundtune.cluster.manifest import Pods

    made = train.run(
        prompts.uri,
        [shard.uri for shard in confidence],
        pairs.uri,
        images_root,
        model,
        adapter.path,
        settings,
        Pods(int(gpus), accelerator, node_selector, tolerations),
        adapter=policy_adapter,
        image_pairs=[shard.uri for shard in image_pairs] if image_pairs else [],
        image_reference=[shard.uri for shard in image_reference] if image_reference else [],
        parallel=parallel,
    )
    adapter.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
