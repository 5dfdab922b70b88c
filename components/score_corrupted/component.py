"""score_corrupted: the reference of every chosen answer given its corrupted image (MFPO)."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def score_corrupted(
    prompts: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    image_pairs: dsl.Input[dsl.Dataset],
    model: str,
    model_digest: str,
    settings: dict,
    image_reference: dsl.Output[dsl.Dataset],
    policy_adapter: str = "",
):
    """Token log-probs of the chosen answer under the model that training starts from."""
    from groundtune.preferences.image_preference import reference

    made = reference.run(
        prompts.path,
        pairs.path,
        image_pairs.path,
        model,
        image_reference.path,
        settings,
        adapter=policy_adapter,
    )
    image_reference.metadata.update(made.card)
