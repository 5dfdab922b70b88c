"""measure_drift: are this round's scores distributed as the first round's?"""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def measure_drift(
    alignment: dsl.Input[List[dsl.Dataset]],
    confidence: dsl.Input[List[dsl.Dataset]],
    rounds_root: str,
    place: str,
    settings: dict,
    summary: dsl.Output[dsl.Markdown],
) -> dict:
    """PSI and KS of each scorer and of confidence, with warnings."""
    from groundtune.retraining import drifting

    return drifting.run(
        [shard.path for shard in alignment],
        [shard.path for shard in confidence],
        rounds_root,
        place,
        summary.path,
        settings,
    )
