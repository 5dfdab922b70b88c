"""check_gpu: the node pool gives GPUs that the model fits, before anything is computed on them."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def check_gpu(
    model: str,
    accelerator_count: str,
    evaluation: dict,
    training_gpus: str = "0",
    scorers: dict = {},  # noqa: B006
    alignment: dict = {},  # noqa: B006  an empty section's stage does not run
    sampling: dict = {},  # noqa: B006
    confidence: dict = {},  # noqa: B006
    training: dict = {},  # noqa: B006
    image_preferences: bool = False,
    methods: list = [],  # noqa: B006  of a comparison, completed
):
    """As many GPUs as were asked for, and memory for the stages' budgets; a setting that cannot fit fails by name."""
    from groundtune.preflight import gpu

    sections = {
        "alignment": alignment,
        "sampling": sampling,
        "confidence": confidence,
        "training": training,
        "evaluation": evaluation,
    }
    gpu.run(
        model,
        accelerator_count,
        training_gpus,
        scorers,
        sections,
        image_preferences=image_preferences,
        methods=methods,
    )
