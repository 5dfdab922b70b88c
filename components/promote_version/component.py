"""promote_version: a registered version becomes champion, for pipelines with a gate of their own.

To be used with `.set_caching_options(False)`: the registry is not among its inputs.
"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def promote_version(model_name: str, version: str, reason: str, after: int = -1) -> str:
    """Returns the champion's URI. after: the reign it was held against, 0 for nobody, -1 for whoever reigns now."""
    from groundtune.promotion import steps

    return steps.promote(model_name, version, reason, after)
