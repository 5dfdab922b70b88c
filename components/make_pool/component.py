"""make_pool: the answers that all methods of a seed learn from, scored."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def make_pool(
    prompts: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    scorers: dict,
    sampling: dict,
    alignment_settings: dict,
    confidence_settings: dict,
    candidates: dsl.Output[dsl.Dataset],
    alignment: dsl.Output[dsl.Dataset],
    confidence: dsl.Output[dsl.Dataset],
    scores: dsl.Output[dsl.Dataset],
):
    """Sample, score against the image, ask for the model's own belief, combine."""
    from groundtune.comparison import pooling

    made = pooling.run(
        prompts.path,
        images_root,
        model,
        scorers,
        {
            "candidates": candidates.path,
            "alignment": alignment.path,
            "confidence": confidence.path,
            "scores": scores.path,
        },
        sampling,
        alignment_settings,
        confidence_settings,
    )
    scores.metadata.update(made.card)
