"""The world of photographic cut-outs: which photographs, which scenes, what is seen, what is written."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from groundtune.benchmarks.suite.vocabulary import read_vocabulary
from groundtune.demo.__main__ import main
from groundtune.demo.captions import biased_claims, caption, draw_style, true_claims
from groundtune.demo.claims import claim_of, corrupt, holds
from groundtune.demo.cutouts.draw import visible
from groundtune.demo.cutouts.objects import KINDS, kind_of_caption
from groundtune.demo.cutouts.photographs import read_photographs
from groundtune.demo.cutouts.scenes import Paste
from groundtune.demo.cutouts.world import CutoutWorld
from groundtune.demo.draw import IMAGE_SIZE
from groundtune.demo.language import PLACES, mentions, sentence
from groundtune.demo.questions import attribute_question, existence_question, statement_question
from groundtune.demo.world import SPLITS, Scene
from groundtune.errors import SettingError
from tests.unit.demo import made_up_cutouts as made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up.made_up_cutouts(tmp_path_factory.mktemp("cutouts"))


@pytest.fixture(scope="module")
def world(folder: Path) -> CutoutWorld:
    return CutoutWorld(folder)


@pytest.fixture(scope="module")
def listed(world: CutoutWorld) -> list[Scene]:
    return list(world.scenes(0, "measure", 150))


def _shown(scene: Scene) -> set[str]:
    return {placed.photograph for one in scene.entities for placed in one.placements if isinstance(placed, Paste)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A “Fuji” apple.", "apple"),
        ("A baby sheep (a lamb).", "sheep"),
        ("An F-22 Raptor.", "plane"),
        ("A great blue heron.", "bird"),
        ("A pickup truck.", "truck"),
        ("A tennis ball.", "ball"),
        ("A tennis racket.", "racket"),
        ("A yellow pear.", None),
        ("A sliced orange.", None),
        ("Teddy bear.", None),
        ("A hot air balloon.", None),
        ("A cow and a horse.", None),  # of two kinds
        ("Police car emblems to put on the sedan.", None),
    ],
)
def test_a_caption_tells_one_kind_or_none(text: str, word: str | None) -> None:
    found = kind_of_caption(text)
    assert (found.word if found else None) == word


def test_a_folder_yields_its_kinds_whatever_its_layout(folder: Path, world: CutoutWorld, tmp_path: Path) -> None:
    assert set(world.inventory.kinds) == made_up.KINDS
    for number, caption_text in enumerate(made_up.CAPTIONS):
        made_up.draw_cutout(tmp_path / "deep" / "er" / f"other-{number}.png", number, caption_text)
    assert CutoutWorld(tmp_path).record() == world.record()


def test_drawings_pictures_without_caption_or_alpha_and_second_copies_are_left_alone(tmp_path: Path) -> None:
    made_up.draw_cutout(tmp_path / "cartoon" / "cow.png", 1, "A cow.")
    made_up.draw_cutout(tmp_path / "nameless.png", 2, None)
    made_up.draw_cutout(tmp_path / "pear.png", 3, "A pear.")
    made_up.draw_cutout(tmp_path / "plate.png", 4, "A cow.")
    Image.open(tmp_path / "plate.png").convert("RGB").save(tmp_path / "plate.png")
    for name in ("horse", "copy"):
        made_up.draw_cutout(tmp_path / f"{name}.png", 5, "A horse.")
    found = read_photographs(tmp_path)
    assert {kind: len(photographs) for kind, photographs in found.trained.items()} == {"horse": 1}
    assert found.trained["horse"][0].cutout.getchannel("A").getbbox() == (0, 0, *found.trained["horse"][0].cutout.size)


def test_a_kind_of_several_photographs_shows_other_ones_to_those_who_measure(world: CutoutWorld) -> None:
    photographs = read_photographs_by_kind(world)
    shown = {split: set().union(*map(_shown, world.scenes(0, split, 200))) for split in SPLITS}
    assert len(photographs["apple"]) == 5
    for split in ("measure", "validation", "eval"):
        for trained in ("models", "prompts"):
            both = shown[split] & shown[trained]
            assert both and not both & photographs["apple"]  # one photograph of a kind has to serve all
    assert photographs["apple"] <= shown["models"] | shown["eval"]


def read_photographs_by_kind(world: CutoutWorld) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for split in SPLITS:
        for scene in world.scenes(0, split, 200):
            for entity in scene.entities:
                names = {placed.photograph for placed in entity.placements if isinstance(placed, Paste)}
                found.setdefault(entity.kind, set()).update(names)
    return found


def test_the_same_seed_gives_the_same_scenes_and_pixels(folder: Path, world: CutoutWorld) -> None:
    again = CutoutWorld(folder)
    for one, other in zip(world.scenes(3, "eval", 5), again.scenes(3, "eval", 5), strict=True):
        assert one == other
        assert world.render(one).tobytes() == again.render(other).tobytes()
        assert world.render(one).size == (IMAGE_SIZE, IMAGE_SIZE)
    assert next(world.scenes(4, "eval", 1)) != next(world.scenes(3, "eval", 1))
    assert list(world.scenes(3, "eval", 5))[2:] == list(world.scenes(3, "eval", 3, start=2))


def test_splits_share_no_scene(world: CutoutWorld) -> None:
    seen: dict[Scene, str] = {}
    for split in SPLITS:
        for scene in world.scenes(0, split, 200):
            assert seen.setdefault(scene, split) == split


def test_a_scene_holds_two_to_four_kinds_and_each_of_them_can_be_seen(
    world: CutoutWorld, listed: list[Scene]
) -> None:
    overlapping = 0
    for scene in listed:
        assert 2 <= len(scene.kinds) == len(set(scene.kinds)) <= 4
        cover = world.cover(scene, 6)
        assert cover.shape == (len(scene.kinds), 36) and cover.dtype == np.float32
        assert (cover >= 0).all() and (cover.max(1) > 0.3).all()
        alone = [world.cover(Scene((entity,), scene.background, scene.inventory), 6) for entity in scene.entities]
        overlapping += float(cover.sum()) < float(np.concatenate(alone).sum()) - 1e-3
    assert overlapping > len(listed) / 10


def test_pixels_change_where_a_thing_is_said_to_be_and_nowhere_else(world: CutoutWorld, listed: list[Scene]) -> None:
    for scene in listed[:30]:
        bare = np.asarray(world.render(Scene((), scene.background, scene.inventory)), dtype=int)
        full = np.asarray(world.render(scene), dtype=int)
        changed = np.abs(full - bare).sum(-1).reshape(6, 24, 6, 24).max((1, 3)).ravel() > 0
        covered = world.cover(scene, 6).sum(0)
        assert changed[covered > 0.3].all() and not changed[covered == 0].any()


def test_what_lies_below_is_seen_only_where_it_looks_out() -> None:
    whole = Image.new("RGBA", (48, 48), (255, 0, 0, 255))
    shares = visible([(whole, (0, 0)), (whole, (24, 0))], 6)
    assert shares[0].reshape(6, 6)[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 0])
    assert shares[1].reshape(6, 6)[0, 1:3].tolist() == pytest.approx([1, 1])


def test_captions_and_questions_are_true_and_say_nothing_of_colours(
    world: CutoutWorld, listed: list[Scene]
) -> None:
    rng = random.Random(0)
    known = world.inventory
    invented = yes = 0
    for scene in listed:
        said = mentions(caption(true_claims(scene), draw_style(rng)), known)
        assert [(one.kind, one.colour, one.count) for one in said] == [(kind, None, 1) for kind in scene.kinds]
        biased = [claim.kind for claim in biased_claims(scene, rng)]
        assert set(biased) - set(scene.kinds) <= {known.companion[kind] for kind in scene.kinds}
        invented += len(biased) > len(scene.kinds)
        for entity in scene.entities:
            assert holds(claim_of(entity), scene) and not holds(corrupt(claim_of(entity), scene, rng), scene)
        for draw in (existence_question, statement_question):
            question = draw(scene, rng)
            (mention,) = mentions(question.text, known)
            yes += question.answer == "Yes"
            assert question.answer == "No" or mention.kind in scene.kinds
        asked = attribute_question(scene, rng)
        (mention,) = mentions(asked.text, known)
        cell = {entity.kind: entity.cell for entity in scene.entities}.get(mention.kind)
        right = "None" if cell is None else "One" if asked.text.startswith("How many") else PLACES[cell].capitalize()
        assert asked.answer == right
    assert 0.2 < invented / len(listed) < 0.8 and 0.35 < yes / (2 * len(listed)) < 0.65


def test_biased_captions_expect_the_companions_of_a_group(world: CutoutWorld) -> None:
    known = world.inventory
    assert set(known.companion) == set(known.kinds)
    for kind, companion in known.companion.items():
        assert kind != companion and known.group_of[kind] == known.group_of[companion]


def test_a_sentence_of_every_kind_reads_back(world: CutoutWorld, listed: list[Scene]) -> None:
    for style in range(3):
        for entity in listed[0].entities:
            (mention,) = mentions(sentence(claim_of(entity), style), world.inventory)
            assert mention.kind == entity.kind


# ---- what is written


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _write(folder: Path, out: Path, synonyms: Path, *more: str) -> None:
    main(["write", "--world", "cutouts", "--photographs", str(folder), "--out", str(out), "--prompts", "6",
          "--eval", "12", "--synonyms", str(synonyms), *more])  # fmt: skip


def test_written_questions_are_true_by_the_synonym_table_beside_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(folder, tmp_path / "a", made_up.synonyms(tmp_path))
    assert "6 prompts, 12 validation and 12 eval pictures of 10 kinds" in capsys.readouterr().out
    assert {key for row in _lines(tmp_path / "a/prompts.jsonl") for key in row} == {"id", "image", "instruction"}
    for split in ("validation", "eval"):
        place = tmp_path / "a" / split
        vocabulary = read_vocabulary(str(place / "synonyms.txt"))
        truth = {}
        for row in _lines(place / "chair.jsonl"):
            truth[Path(row["image"]).name] = {vocabulary.object_of(name) for name in row["objects"]}
            assert (place / row["image"]).is_file() and None not in truth[Path(row["image"]).name]
        for setting in ("random", "popular", "adversarial"):
            rows = _lines(place / f"pope_{setting}.jsonl")
            assert sum(row["label"] == "yes" for row in rows) * 2 == len(rows) > 0
            for row in rows:
                (asked,) = vocabulary.object_words(row["text"])
                assert (asked in truth[row["image"]]) == (row["label"] == "yes")


def test_the_same_arguments_write_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    table = made_up.synonyms(tmp_path)
    for name, seed in (("a", "4"), ("b", "4"), ("c", "5")):
        _write(folder, tmp_path / name, table, "--seed", seed)
    first, again, other = (_digests(tmp_path / name) for name in "abc")
    assert first == again and first["images/demo-000001.png"] != other["images/demo-000001.png"]


# ---- errors


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (None, r"'photographs' is .*: expected a folder .*tuxpaint-stamps-default"),
        ((), r"it shows none; .*tuxpaint"),
        (("A cow.", "A sheep.", "An apple."), r"at least 8 of .*it shows cow, sheep; "),
    ],
)
def test_no_folder_or_too_few_kinds_name_the_setting_and_the_package(
    captions: tuple[str, ...] | None, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "photographs"
    for number, text in enumerate(captions or ()):
        made_up.draw_cutout(folder / f"{number}.png", number, text)
    if captions is not None:
        folder.mkdir(exist_ok=True)
    with pytest.raises(SettingError, match=message):
        CutoutWorld(folder)


def test_a_wanted_file_that_is_no_picture_is_named(folder: Path, tmp_path: Path) -> None:
    made_up.made_up_cutouts(tmp_path)
    (tmp_path / "broken.png").write_bytes((folder / "part-0/0.png").read_bytes()[:60])
    (tmp_path / "broken.txt").write_text("A cow.\n")
    with pytest.raises(SettingError, match=r"broken\.png.*a readable PNG"):
        CutoutWorld(tmp_path)


def test_a_wanted_file_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (5000, 4000)).save(tmp_path / "bomb.png")
    (tmp_path / "bomb.txt").write_text("A cow.\n")
    with pytest.raises(SettingError, match=r"bomb\.png.*at most 16,000,000 pixels"):
        read_photographs(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "'synonyms' is '': expected --synonyms"),
        ("missing", "'synonyms' is .*No such file"),
        (made_up.SYNONYMS.replace("sheep, lamb\n", ""), "'sheep' is 'sheep'; it reads it as \\[\\]"),
        (made_up.SYNONYMS.replace("car, sedan", "auto, car"), "'car' is 'car'; it reads it as \\['auto'\\]"),
    ],
)
def test_a_table_that_is_missing_or_not_cocos_is_an_error_before_anything_is_written(
    table: str | None, message: str, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "table.txt"
    if table not in (None, "missing"):
        path.write_text(table, encoding="utf-8")
    arguments = ["write", "--world", "cutouts", "--photographs", str(folder), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=message):
        main([*arguments, *(() if table is None else ("--synonyms", str(path)))])
    assert not (tmp_path / "out").exists()


def test_no_kind_is_in_two_groups_or_told_by_another_kinds_phrase() -> None:
    words = [kind.word for kind in KINDS]
    assert len(words) == len(set(words))
    for kind in KINDS:
        for phrase in kind.captions:
            assert kind_of_caption(f"A {phrase}.") == kind, phrase
