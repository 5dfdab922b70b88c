"""train_method: one method of a comparison, from a seed's pool to its adapter."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def train_method(
    prompts: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[dsl.Dataset],
    alignment: dsl.Input[dsl.Dataset],
    confidence: dsl.Input[dsl.Dataset],
    scores: dsl.Input[dsl.Dataset],
    images_root: str,
    model: str,
    model_digest: str,
    scorers: dict,
    region_models: dict,
    region_models_digest: str,
    method: dict,
    alignment_settings: dict,
    confidence_settings: dict,
    pairs: dsl.Output[dsl.Dataset],
    adapter: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
):
    """Pairs, a reward head or corrupted images where the method asks for them, and its training."""
    from groundtune.comparison import teaching

    made = teaching.run(
        {
            "prompts": prompts.path,
            "candidates": candidates.path,
            "alignment": alignment.path,
            "confidence": confidence.path,
            "scores": scores.path,
        },
        {"model": model, "scorers": scorers, "region_models": region_models, "images_root": images_root},
        pairs.path,
        adapter.path,
        method,
        alignment_settings,
        confidence_settings,
    )
    pairs.metadata.update(made.pairs.card)
    adapter.metadata.update(made.adapter.card)
    metrics.metadata.update(made.adapter.write_scalars(metrics.path))
