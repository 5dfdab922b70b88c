"""score_confidence: the model's own belief in each candidate (M3PO step 2), and the reference pass of DPO."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def score_confidence(
    prompts: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    shard: str,
    settings: dict,
    confidence: dsl.Output[dsl.Dataset],
    policy_adapter: str = "",
):
    """Log-probability of every candidate under the model that wrote it."""
    from groundtune.candidates import confidence as stage

    made = stage.run(
        prompts.path,
        candidates.path,
        images_root,
        model,
        confidence.path,
        settings,
        adapter=policy_adapter,
        shard=shard,
    )
    confidence.metadata.update(made.card)
