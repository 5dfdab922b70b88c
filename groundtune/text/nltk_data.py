"""NLTK's published models out of an `nltk_data` folder: Punkt's sentence parameters and the perceptron tagger."""

import json
from pathlib import Path
from typing import Any

from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from groundtune.digests import digest_of
from groundtune.errors import SettingError

# Folders as NLTK's own downloader lays them out, unpacked.
PUNKT = "tokenizers/punkt_tab/english"
TAGGER = "taggers/averaged_perceptron_tagger_eng"
WORDNET = "corpora/wordnet"
_PARTS = ("weights", "tagdict", "classes")


def load_punkt(folder: Path) -> tuple[PunktSentenceTokenizer, bool]:
    """The sentence splitter, and whether it has the published English parameters.

    Without their folder it is Punkt untrained: it cuts at every ".", "?" and "!", abbreviations included. SettingError
    names `nltk_data` when the folder is there and a file of it is not.
    """
    if not (folder / PUNKT).is_dir():
        return PunktSentenceTokenizer(), False
    parameters = PunktParameters()
    parameters.collocations = {tuple(line.split("\t")) for line in _lines(folder, f"{PUNKT}/collocations.tab")}
    parameters.sent_starters = set(_lines(folder, f"{PUNKT}/sent_starters.txt"))
    parameters.abbrev_types = set(_lines(folder, f"{PUNKT}/abbrev_types.txt"))
    context = _lines(folder, f"{PUNKT}/ortho_context.tab")
    try:
        parameters.ortho_context.update((word, int(flags)) for word, flags in (line.split("\t") for line in context))
    except ValueError as error:
        raise _unreadable(folder, f"{PUNKT}/ortho_context.tab", error) from error
    splitter = PunktSentenceTokenizer()
    splitter._params = parameters  # its public way in is a training text
    return splitter, True


def has_tagger(folder: Path) -> bool:
    return (folder / TAGGER).is_dir()


def load_tagger(folder: Path) -> tuple[PerceptronTagger, str]:
    """The averaged perceptron tagger for English, and the digest of its weights.

    SettingError names `nltk_data` and the file when one is missing or no JSON of the kind that NLTK writes.
    """
    weights, words, classes = (_json(folder, f"{TAGGER}/{Path(TAGGER).name}.{part}.json") for part in _PARTS)
    if not (isinstance(weights, dict) and isinstance(words, dict) and isinstance(classes, list) and classes):
        raise _unreadable(folder, TAGGER, ValueError("weights and tagdict are objects, classes a list with tags in it"))
    tagger = PerceptronTagger(load=False)
    tagger.decode_json_params((weights, words, classes))
    return tagger, digest_of([weights, words, sorted(classes)])


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads(_text(folder, name))
    except json.JSONDecodeError as error:
        raise _unreadable(folder, name, error) from error


def _lines(folder: Path, name: str) -> list[str]:
    return [line for line in _text(folder, name).split("\n") if line]


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(folder, name, error) from error


def _unreadable(folder: Path, name: str, error: Exception) -> SettingError:
    return SettingError("nltk_data", str(folder), f"a local folder with NLTK's data in it, {name} among it ({error})")
