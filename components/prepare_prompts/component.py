"""prepare_prompts: a user's prompt file in, checked rows out."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def prepare_prompts(
    prompts: str,
    prompts_digest: str,
    images_root: str,
    model: str,
    model_digest: str,
    num_shards: int,
    settings: dict,
    prepared: dsl.Output[dsl.Dataset],
) -> List[str]:
    """Every row becomes a prompt or a rejected row with a reason. Returns the shards to work on."""
    from groundtune.prompts import prepare

    made = prepare.run(prompts, images_root, model, prepared.path, settings)
    prepared.metadata.update(made.card)
    return prepare.shard_list(made, num_shards)
