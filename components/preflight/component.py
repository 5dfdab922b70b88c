"""preflight: a wrong setting fails in seconds, with its name."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def preflight(
    prompts: str,
    model: str,
    scorers: dict,
    benchmarks_root: str,
    prepare: dict,
    sampling: dict,
    alignment: dict,
    confidence: dict,
    selection: dict,
    training: dict,
    evaluation: dict,
    registry: dict,
) -> NamedTuple("Inputs", [("prompts_digest", str), ("model_digest", str), ("benchmarks_digest", str)]):
    """Check settings, data, models, storage and MLflow before anything expensive; digest what the run reads."""
    from groundtune import preflight

    sections = {
        "prepare": prepare,
        "sampling": sampling,
        "alignment": alignment,
        "confidence": confidence,
        "selection": selection,
        "training": training,
        "evaluation": evaluation,
        "registry": registry,
    }
    return preflight.run(prompts, model, scorers, benchmarks_root, sections)
