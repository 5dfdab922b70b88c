"""spaCy pipelines: installed packages, or folders that spaCy saved."""

from collections.abc import Sequence
from pathlib import Path

import spacy
from spacy.language import Language

from groundtune.errors import SettingError


def is_installed(model: str) -> bool:
    """Whether there is such a package, or such a folder with a pipeline in it."""
    return bool(model) and (spacy.util.is_package(model) or Path(model, "config.cfg").is_file())


def load_pipeline(model: str, setting: str, without: Sequence[str] = ()) -> Language:
    """model: package or folder, the value of `setting`. without: components that are not run.

    SettingError when there is none or it cannot be loaded.
    """
    if not is_installed(model):
        found = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
        raise SettingError(setting, model, f"an installed spaCy pipeline (there are: {found}) or a folder of one")
    try:
        return spacy.load(model, disable=list(without))
    except (OSError, ValueError, ImportError) as error:
        raise SettingError(setting, model, f"a pipeline that spaCy {spacy.__version__} loads ({error})") from error


def name_of(pipeline: Language) -> str:
    """ "en_core_web_sm", as the pipeline itself says: its folder may be called anything."""
    return f"{pipeline.meta['lang']}_{pipeline.meta['name']}"


def title_of(pipeline: Language) -> str:
    """Name and version, for an identity: "spacy:en_core_web_sm 3.8.0"."""
    return f"spacy:{name_of(pipeline)} {pipeline.meta['version']}"


def require_tags(pipeline: Language) -> None:
    """SettingError names `spacy_model` when the pipeline sets neither universal (`pos`) nor Penn (`tag`) tags."""
    probe = pipeline("A red cup.")
    if not (probe.has_annotation("POS") or probe.has_annotation("TAG")):
        raise SettingError("spacy_model", name_of(pipeline), "a pipeline that tags parts of speech; this one sets none")
