"""plan_methods: the methods of a comparison, checked in seconds."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def plan_methods(
    methods: list,
    champion: str,
    rivals: list,
    sampling: dict,
    selection: dict,
    image_preference: dict,
    training: dict,
    reward: dict,
    rlhf: dict,
) -> List[dict]:
    """Every method with its settings completed; an unequal budget or an unknown setting fails here."""
    from groundtune.comparison import planning

    common = {
        "sampling": sampling,
        "selection": selection,
        "image_preference": image_preference,
        "training": training,
        "reward": reward,
        "rlhf": rlhf,
    }
    return planning.methods(methods, common, champion, rivals)
