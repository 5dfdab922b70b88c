"""plan_pools: the pools of a comparison, one a seed."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def plan_pools(seeds: list, sampling: dict) -> List[dict]:
    """The sampling settings of every seed's pool."""
    from groundtune.comparison import planning

    return planning.pools(seeds, sampling)
