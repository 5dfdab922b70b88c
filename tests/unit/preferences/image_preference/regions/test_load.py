"""Promises about choosing a finder: what is missing or wrong is named before anything is computed."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from groundtune.errors import CheckpointError, SettingError, StorageError
from groundtune.preferences.image_preference.regions.load import load_finder
from groundtune.settings.image_preference import FINDERS, ImagePreferenceSettings
from tests.unit.preferences.image_preference.regions.conftest import load, pictures


def settings(**given: str) -> ImagePreferenceSettings:
    return ImagePreferenceSettings.from_mapping(given)


def test_every_finder_of_the_settings_can_be_loaded(folders: dict[str, Path]) -> None:
    for finder in FINDERS:
        assert load(folders, finder).name == finder


@pytest.mark.parametrize(("finder", "name"), [(finder, name) for finder, names in FINDERS.items() for name in names])
def test_a_missing_checkpoint_is_named_as_the_setting_that_lacks_it(finder: str, name: str) -> None:
    others = {other: "/nowhere" for other in FINDERS[finder] if other != name}
    with pytest.raises(
        SettingError, match=rf"setting 'region_models\.{name}' is None.*finder {finder.replace('+', '.')}"
    ):
        load_finder(others, settings(finder=finder))
    with pytest.raises(SettingError, match=rf"region_models\.{name}"):
        load_finder(others | {name: ""}, settings(finder=finder))


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(StorageError, match="/nowhere/clip: no such folder"):
        load_finder({"patch_similarity": "/nowhere/clip"}, settings())


@pytest.mark.parametrize(
    ("finder", "name", "given", "expected"),
    [
        ("patch_similarity", "patch_similarity", "clipseg", "'clipseg' model; .* expects clip or siglip or siglip2"),
        ("clipseg", "clipseg", "clip", "'clip' model; .* expects clipseg"),
        ("grounding_dino+sam", "grounding_dino", "sam", "'sam' model; .* expects grounding-dino"),
        ("grounding_dino+sam", "sam", "sam3", "'sam3' model; .* expects sam$"),
        ("sam3", "sam3", "sam", "'sam' model; .* expects sam3 or sam3_video"),
    ],
)
def test_a_model_of_another_kind_is_named_beside_what_is_expected(
    folders: dict[str, Path], finder: str, name: str, given: str, expected: str
) -> None:
    models = {key: str(folder) for key, folder in folders.items()} | {name: str(folders[given])}
    with pytest.raises(CheckpointError, match=expected):
        load_finder(models, settings(finder=finder))


def test_pickled_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["clipseg"], tmp_path / "copy")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pytorch_model.bin is a pickle"):
        load_finder({"clipseg": str(copy)}, settings(finder="clipseg"))


@pytest.mark.parametrize("model", ["clip", "clipseg", "grounding_dino", "sam", "sam3"])
def test_weights_that_lack_a_tensor_are_refused_instead_of_filled_at_random(
    folders: dict[str, Path], tmp_path: Path, model: str
) -> None:
    finder = next(f for f, names in FINDERS.items() if model in names or (model, f) == ("clip", "patch_similarity"))
    copy = shutil.copytree(folders[model], tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    weights.pop(max(name for name in weights if name.endswith("weight") and ("vision" in name or "backbone" in name)))
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="missing keys in the weights"):
        load(folders | {model: copy}, finder)


@pytest.mark.parametrize("template", ["a photo", "a {thing}", "{phrase} {", "{0}"])
def test_a_template_without_a_place_for_the_phrase_is_refused(folders: dict[str, Path], template: str) -> None:
    with pytest.raises(SettingError, match="phrase_template"):
        load(folders, "patch_similarity", phrase_template=template)


@pytest.mark.parametrize("finder", FINDERS)
def test_the_template_is_what_the_model_reads(folders: dict[str, Path], finder: str) -> None:
    (plain,) = load(folders, finder).find(pictures()[:1], [["a photo of a cat"]])[0]
    (filled,) = load(folders, finder, phrase_template="a photo of a {phrase}").find(pictures()[:1], [["cat"]])[0]
    assert filled.phrase == "cat"
    # references go through the template as well, which moves the patch finder's scale
    assert (filled.score == plain.score) is (finder != "patch_similarity")
