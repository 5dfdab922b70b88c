"""champion_history: who was champion when, and why.

To be used with `.set_caching_options(False)`: the registry is not among its inputs.
"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def champion_history(model_name: str, history: dsl.Output[dsl.Markdown]):
    """A table, one reign a line."""
    from groundtune.promotion import steps

    steps.history(model_name, history.path)
