"""sample_candidates: the model answers every prompt of a shard K times (M3PO step 1)."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def sample_candidates(
    prompts: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    shard: str,
    settings: dict,
    candidates: dsl.Output[dsl.Dataset],
    policy_adapter: str = "",
):
    """K answers a prompt, duplicates merged with their multiplicity."""
    from groundtune.candidates import sampling

    made = sampling.run(
        prompts.path, images_root, model, candidates.path, settings, adapter=policy_adapter, shard=shard
    )
    candidates.metadata.update(made.card)
