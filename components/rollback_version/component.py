"""rollback_version: the version that was champion before is champion again.

To be used with `.set_caching_options(False)`: the registry is not among its inputs.
"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def rollback_version(model_name: str, reason: str) -> str:
    """Returns the champion's URI."""
    from groundtune.promotion import steps

    return steps.rollback(model_name, reason)
