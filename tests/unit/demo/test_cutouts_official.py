"""The world of cut-outs on what is no part of the repository: Debian's stamps, and COCO's published synonyms."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from groundtune.benchmarks.suite.vocabulary import read_vocabulary
from groundtune.demo.cutouts import TUXPAINT_STAMPS
from groundtune.demo.cutouts.objects import KINDS
from groundtune.demo.cutouts.world import CutoutWorld
from groundtune.demo.language import plural

# Read at import: the fixture that cleans the environment for every test takes GROUNDTUNE_ variables away.
BENCHMARKS = Path(
    os.environ.get("GROUNDTUNE_BENCHMARKS", Path(__file__).resolve().parents[3].parent / "shared" / "benchmarks")
)
TABLE = BENCHMARKS / "chair" / "synonyms_refine.txt"


@pytest.mark.skipif(not TABLE.is_file(), reason=f"WORDS NOT CHECKED: no {TABLE}; set GROUNDTUNE_BENCHMARKS")
def test_every_word_of_the_world_is_one_that_chair_reads_as_its_coco_object() -> None:
    vocabulary = read_vocabulary(str(TABLE))
    for kind in KINDS:
        assert vocabulary.object_of(kind.word) == kind.coco
        for form in (kind.word, plural(kind.word)):
            assert vocabulary.object_words(f"There are two {form} on the left.") == [kind.coco], form


@pytest.mark.skipif(
    not TUXPAINT_STAMPS.is_dir(), reason="STAMPS NOT CHECKED: apt-get install tuxpaint-stamps-default brings them"
)
def test_debians_stamps_show_most_kinds_and_none_of_their_drawings() -> None:
    world = CutoutWorld(TUXPAINT_STAMPS)
    assert len(world.inventory.kinds) >= 20
    numbers = world.record()["photographs"]
    assert all(trained >= 1 for trained, _ in numbers.values())
    assert sum(held_out for _, held_out in numbers.values()) >= 10
    assert not [name for name in _shown(world) if "cartoon" in name or "halloween" in name]


def _shown(world: CutoutWorld) -> Iterable[str]:
    for split in ("prompts", "eval"):
        for scene in world.scenes(0, split, 300):
            for entity in scene.entities:
                yield from (vars(placed)["photograph"] for placed in entity.placements)
