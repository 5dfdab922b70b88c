"""train_dpo: DPO with LoRA on the selected pairs (M3PO step 4)."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def train_dpo(
    prompts: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[List[dsl.Dataset]],
    confidence: dsl.Input[List[dsl.Dataset]],
    pairs: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    settings: dict,
    adapter: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
):
    """A standard PEFT adapter; the confidence pass is the reference."""
    from groundtune.training import stage

    made = stage.run(
        prompts.path,
        [shard.path for shard in candidates],
        [shard.path for shard in confidence],
        pairs.path,
        images_root,
        model,
        adapter.path,
        settings,
    )
    adapter.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
