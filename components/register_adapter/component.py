"""register_adapter: the adapter becomes a version in the MLflow model registry."""

from typing import Optional

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def register_adapter(
    adapter: dsl.Input[dsl.Model],
    model: str,
    answers: dsl.Input[dsl.Dataset],
    settings: dict,
    report: Optional[dsl.Input[dsl.HTML]] = None,
    prompts: Optional[dsl.Input[dsl.Dataset]] = None,
) -> str:
    """Returns the version's URI, models:/<name>/<version>."""
    from groundtune.promotion import registry

    return registry.run(
        adapter.path,
        model,
        answers.path,
        report.path if report else "",
        settings,
        prompts.path if prompts else "",
    )
