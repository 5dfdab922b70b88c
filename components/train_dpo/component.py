"""train_dpo: DPO with LoRA on the selected pairs (M3PO step 4), with image preferences when there are any (MFPO)."""

from typing import List, Optional

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def train_dpo(
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
    parallel: dict = {},  # noqa: B006  KFP reads it as the parameter's default
    policy_adapter: str = "",
):
    """A standard PEFT adapter; the confidence pass is the reference. On several GPUs of one node with `parallel`."""
    from groundtune.training import launch

    made = launch.run(
        prompts.path,
        [shard.path for shard in confidence],
        pairs.path,
        images_root,
        model,
        adapter.path,
        settings,
        adapter=policy_adapter,
        image_pairs=[shard.path for shard in image_pairs] if image_pairs else [],
        image_reference=[shard.path for shard in image_reference] if image_reference else [],
        parallel=parallel,
    )
    adapter.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
