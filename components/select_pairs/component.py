"""select_pairs: hard preference pairs by the M3P-Score (M3PO step 3)."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def select_pairs(
    scores: dsl.Input[dsl.Dataset],
    settings: dict,
    pairs: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """The preferred answer, and one that is wrong although the model believes it; drop reasons are counted."""
    from groundtune.preferences import selection

    made = selection.run(scores.path, pairs.path, settings)
    pairs.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
