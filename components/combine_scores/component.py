"""combine_scores: all shards together; raw scores are calibrated over the run and become MAS."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def combine_scores(
    candidates: dsl.Input[List[dsl.Dataset]],
    alignment: dsl.Input[List[dsl.Dataset]],
    confidence: dsl.Input[List[dsl.Dataset]],
    settings: dict,
    scores: dsl.Output[dsl.Dataset],
):
    """One row a candidate: MAS, each scorer's value, confidence, pool entropy."""
    from groundtune.candidates import combine

    made = combine.run(
        [shard.path for shard in candidates],
        [shard.path for shard in alignment],
        [shard.path for shard in confidence],
        scores.path,
        settings,
    )
    scores.metadata.update(made.card)
