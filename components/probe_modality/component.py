"""probe_modality: does what a model says depend on the image? (MFPO's motivating measurement)"""

from typing import Optional

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def probe_modality(
    prompts: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    images_root: str,
    benchmarks_root: str,
    benchmarks_digest: str,
    model: str,
    model_digest: str,
    region_models: dict,
    region_models_digest: str,
    scorers: dict,
    settings: dict,
    evaluation: dict,
    image_preference: dict,
    probe: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    adapter: Optional[dsl.Input[dsl.Model]] = None,
):
    """The same questions under the true, a damaged, a destroyed and no image; rewards split by modality; attention."""
    from groundtune.benchmarks.modality_probe import stage

    made = stage.run(
        prompts.path,
        pairs.path,
        images_root,
        benchmarks_root,
        model,
        region_models,
        probe.path,
        settings,
        evaluation,
        image_preference,
        scorers=scorers,
        adapter=adapter.path if adapter else "",
    )
    probe.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
