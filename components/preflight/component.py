"""preflight: a wrong setting fails in seconds, with its name."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def preflight(
    prompts: str,
    model: str,
    scorers: dict,
    region_models: dict,
    benchmarks_root: str,
    prepare: dict,
    sampling: dict,
    alignment: dict,
    confidence: dict,
    selection: dict,
    image_preference: dict,
    training: dict,
    parallel: dict,
    probe: dict,
    evaluation: dict,
    judge: dict,
    registry: dict,
    image_preferences: bool,
    images_root: str = "",
    training_gpus: str = "0",
    over_nodes: bool = False,
    register: bool = False,
    champion_base: str = "",
    policy_adapter: str = "",
) -> NamedTuple(
    "Inputs",
    [("prompts_digest", str), ("model_digest", str), ("region_models_digest", str), ("benchmarks_digest", str)],
):
    """Check settings, data, models, storage and MLflow before anything expensive; digest what the run reads."""
    from groundtune import preflight

    sections = {
        "prepare": prepare,
        "sampling": sampling,
        "alignment": alignment,
        "confidence": confidence,
        "selection": selection,
        "image_preference": image_preference,
        "training": training,
        "parallel": parallel,
        "probe": probe,
        "evaluation": evaluation,
        "judge": judge,
        "registry": registry,
    }
    return preflight.run(
        prompts,
        model,
        scorers,
        region_models,
        benchmarks_root,
        sections,
        image_preferences=image_preferences,
        images_root=images_root,
        training_gpus=training_gpus,
        over_nodes=over_nodes,
        register=register,
        champion_base=champion_base,
        policy_adapter=policy_adapter,
    )
