"""Prompts and benchmarks of the cut-outs' world, with CHAIR scored by COCO's own synonym table."""

from __future__ import annotations

from pathlib import Path

from groundtune.benchmarks.suite.vocabulary import Vocabulary, vocabulary_of
from groundtune.demo.cutouts.objects import KINDS
from groundtune.demo.dataset import write_objects, write_prompts
from groundtune.demo.language import surface_forms
from groundtune.demo.picture_world import PictureWorld
from groundtune.errors import SettingError

SYNONYMS = "synonyms.txt"
OFFICIAL = "CHAIR's table of COCO's objects, e.g. synonyms_refine.txt of its published evaluation"


def write_cutouts(world: PictureWorld, out: Path, prompts: int, evaluation: int, seed: int, synonyms: Path) -> int:
    """`prompts.jsonl` with its images, and an `eval` and a `validation` split, the table beside their questions.

    synonyms: the table, a file of the user's. The same arguments give the same bytes. Returns the number of POPE's
    questions in eval. SettingError when the table cannot be read or gives one of the world's words to another object.
    """
    try:
        table = synonyms.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError("synonyms", str(synonyms), f"{OFFICIAL} ({error})") from error
    check_words(world, vocabulary_of(table, str(synonyms)), synonyms)
    write_prompts(world, out, prompts, seed)
    asked = 0
    for split in ("validation", "eval"):
        _, _, asked = write_objects(world, out / split, split, evaluation, seed)
        (out / split / SYNONYMS).write_text(table, encoding="utf-8")
    return asked


def check_words(world: PictureWorld, vocabulary: Vocabulary, synonyms: Path) -> None:
    """Every word for a kind, one or many, is one that CHAIR reads as the kind's COCO object; else SettingError."""
    coco = {kind.word: kind.coco for kind in KINDS}
    for kind, forms in surface_forms(world.inventory).items():
        for form in forms:
            read = vocabulary.object_words(form)
            if read != [coco[kind]]:
                expected = f"{OFFICIAL}, in which {form!r} is {coco[kind]!r}; it reads it as {read}"
                raise SettingError("synonyms", str(synonyms), expected)
