"""score_alignment: does the answer fit the picture? (M3PO step 2, external quality)"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def score_alignment(
    prompts: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[dsl.Dataset],
    images_root: str,
    scorers: dict,
    shard: str,
    settings: dict,
    alignment: dsl.Output[dsl.Dataset],
):
    """Raw scores of every sentence of every candidate, by every weighted scorer."""
    from groundtune.candidates.alignment_score import stage

    made = stage.run(prompts.path, candidates.path, images_root, scorers, alignment.path, settings, shard=shard)
    alignment.metadata.update(made.card)
