"""The finder that the settings name, read from the checkpoints that it needs."""

from collections.abc import Mapping

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.preferences.image_preference.regions.finder import RegionFinder
from groundtune.settings.image_preference import ImagePreferenceSettings


def load_finder(checkpoints: Mapping[str, str], settings: ImagePreferenceSettings) -> RegionFinder:
    """The finder `settings.finder`, in float32, on the GPU when there is one.

    checkpoints: name -> folder or s3:// prefix; names as in settings.models, others are ignored. Raises SettingError
    (a needed checkpoint is not named, the template has no place for the phrase), StorageError (nothing there) and
    CheckpointError (not that kind of model, unsafe or damaged).
    """
    template, threshold = _template(settings.phrase_template), settings.mask_threshold
    for name in settings.models:
        if not checkpoints.get(name):
            raise SettingError(
                f"region_models.{name}",
                checkpoints.get(name),
                f"a checkpoint folder or s3:// prefix (finder {settings.finder})",
            )
    folders = [storage.local_folder(checkpoints[name]) for name in settings.models]
    # torch and the models' classes are slow to import, and three of four finders are not wanted
    if settings.finder == "patch_similarity":
        from groundtune.preferences.image_preference.regions.patch_similarity import PatchSimilarityFinder

        return PatchSimilarityFinder(
            *folders, template=template, mask_threshold=threshold, patch_features=settings.patch_features
        )
    if settings.finder == "clipseg":
        from groundtune.preferences.image_preference.regions.clipseg import ClipSegFinder

        return ClipSegFinder(*folders, template=template, mask_threshold=threshold)
    if settings.finder == "grounding_dino+sam":
        from groundtune.preferences.image_preference.regions.grounding_dino_sam import GroundingDinoSamFinder

        return GroundingDinoSamFinder(*folders, template=template, mask_threshold=threshold)
    from groundtune.preferences.image_preference.regions.sam3 import Sam3Finder

    return Sam3Finder(*folders, template=template, mask_threshold=threshold)


def _template(template: str) -> str:
    try:
        filled = template.format(phrase="\0")
    except (IndexError, KeyError, ValueError):
        filled = ""
    if "\0" not in filled:
        raise SettingError("phrase_template", template, "a text with {phrase} in it and no other braces")
    return template
