"""register_adapter: the adapter becomes a version in the MLflow model registry."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def register_adapter(
    adapter: dsl.Input[dsl.Model],
    model: str,
    answers: dsl.Input[dsl.Dataset],
    report: dsl.Input[dsl.HTML],
    settings: dict,
) -> str:
    """Returns the version's URI, models:/<name>/<version>."""
    from groundtune.promotion import registry

    return registry.run(adapter.path, model, answers.path, report.path, settings)
