"""What the UI and `kfp run create` show of a package: every parameter says what it is; needed ones come first."""

import pytest

from pipelines.packages import PIPELINES

_ROUNDS = ["inbox", "rounds_root", "images_root", "model", "scorers", "benchmarks_root"]
REQUIRED = {
    "retrain": _ROUNDS,
    "retrain_with_images": _ROUNDS,
    "align": ["prompts", "images_root", "model", "scorers", "benchmarks_root"],
    "align_with_images": ["prompts", "images_root", "model", "scorers", "benchmarks_root"],
    "evaluate": ["benchmarks_root", "model"],
    "compare": ["prompts", "images_root", "model", "scorers", "benchmarks_root"],
}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_parameter_says_what_it_is(name: str) -> None:
    # kfp reads them from the docstring's Args: a parameter that is not in there has an empty field in the UI
    parameters = PIPELINES[name].pipeline_spec.root.input_definitions.parameters  # type: ignore[attr-defined]
    assert len(parameters) > 5
    for parameter, one in parameters.items():
        assert len(one.description) > 10 and one.description.endswith("."), f"{parameter}: {one.description!r}"


@pytest.mark.parametrize("name", PIPELINES)
def test_what_has_no_default_comes_first_and_is_only_what_nobody_could_guess(name: str) -> None:
    inputs = PIPELINES[name].component_spec.inputs  # type: ignore[attr-defined]
    needed = [parameter for parameter, one in inputs.items() if not one.optional]
    assert needed == REQUIRED[name] == list(inputs)[: len(needed)]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_says_what_it_does(name: str) -> None:
    spec = PIPELINES[name].pipeline_spec  # type: ignore[attr-defined]
    assert spec.pipeline_info.name == f"groundtune-{name.replace('_', '-')}"
    assert len(spec.pipeline_info.description) > 20
