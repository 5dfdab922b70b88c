"""prefer_images: for every pair an image in which what the chosen answer speaks of is destroyed (MFPO)."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def prefer_images(
    prompts: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    images_root: str,
    region_models: dict,
    region_models_digest: str,
    scorers: dict,
    shard: str,
    settings: dict,
    image_pairs: dsl.Output[dsl.Dataset],
):
    """Keywords of the chosen answer, their regions, noise inside them; what was not found is counted."""
    from groundtune.preferences.image_preference import stage

    made = stage.run(
        prompts.path, pairs.path, images_root, region_models, image_pairs.path, settings, scorers=scorers, shard=shard
    )
    image_pairs.metadata.update(made.card)
