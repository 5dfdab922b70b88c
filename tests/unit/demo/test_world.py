"""Scenes, their pictures, and what sentences say of them."""

import random

import pytest

from groundtune.demo.captions import biased_claims, caption, draw_style, true_claims
from groundtune.demo.claims import absent_companions, claim_of, corrupt, holds
from groundtune.demo.draw import IMAGE_SIZE, box, render
from groundtune.demo.language import NUMBERS, PLACES, mentions, sentence, sentences_of, surface_forms
from groundtune.demo.questions import attribute_question, existence_question, statement_question
from groundtune.demo.sprites import DRAWINGS
from groundtune.demo.world import (
    COLOURS,
    DRAWN,
    KINDS,
    MAX_OBJECTS,
    SPLITS,
    USUAL_COLOUR,
    Scene,
    sample_scene,
    scenes,
    stream,
)

SCENES = list(scenes(0, "measure", 200))


def test_every_kind_has_a_drawing_a_usual_colour_and_a_companion_of_its_group() -> None:
    assert set(DRAWINGS) == set(USUAL_COLOUR) == set(DRAWN.companion) == set(KINDS)
    for kind, companion in DRAWN.companion.items():
        assert DRAWN.group_of[companion] == DRAWN.group_of[kind] and companion != kind


def test_a_scene_keeps_its_promises() -> None:
    for scene in SCENES:
        cells = [placement.cell for entity in scene.entities for placement in entity.placements]
        assert 2 <= len(scene.entities) <= 4
        assert len(cells) == len(set(cells)) <= MAX_OBJECTS
        assert len(set(scene.kinds)) == len(scene.kinds)
        assert [entity.cell for entity in scene.entities] == sorted(entity.cell for entity in scene.entities)


def test_the_same_seed_draws_the_same_picture() -> None:
    first, again = (sample_scene(stream(3, "eval", 7)) for _ in range(2))
    assert first == again
    assert render(first).tobytes() == render(again).tobytes()


def test_splits_share_no_scene() -> None:
    seen: dict[Scene, str] = {}
    for split in SPLITS:
        for scene in scenes(0, split, 300):
            assert seen.setdefault(scene, split) == split


def test_an_unknown_split_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="validation"):
        stream(0, "test", 0)


def test_every_object_lies_inside_the_picture() -> None:
    for scene in SCENES:
        assert render(scene).size == (IMAGE_SIZE, IMAGE_SIZE)
        for entity in scene.entities:
            for placement in entity.placements:
                left, top, right, bottom = box(placement)
                assert 0 <= left < right <= IMAGE_SIZE and 0 <= top < bottom <= IMAGE_SIZE


def test_a_true_caption_reads_back_as_its_scene() -> None:
    rng = random.Random(0)
    for scene in SCENES:
        said = [(m.kind, m.colour, m.count) for m in mentions(caption(true_claims(scene), draw_style(rng)))]
        assert said == [(entity.kind, entity.colour, entity.count) for entity in scene.entities]


def test_a_caption_splits_into_one_sentence_a_claim() -> None:
    for scene in SCENES:
        claims = true_claims(scene)
        assert sentences_of(caption(claims, 1)) == [sentence(claim, 1) for claim in claims]


def test_every_surface_form_is_recognised() -> None:
    for kind, forms in surface_forms().items():
        assert kind in forms
        for form in forms:
            assert [mention.kind for mention in mentions(f"Some {form}, perhaps.")] == [kind]


def test_a_word_inside_another_is_no_mention() -> None:
    assert mentions("The cupboard, the scarf and the birdsong.") == []


def test_biased_captions_lose_nothing_and_invent_companions() -> None:
    rng = random.Random(1)
    invented = 0
    for scene in SCENES:
        kinds = [claim.kind for claim in biased_claims(scene, rng)]
        assert set(scene.kinds) <= set(kinds) and len(kinds) == len(set(kinds))
        extra = set(kinds) - set(scene.kinds)
        assert extra <= {DRAWN.companion[kind] for kind in scene.kinds}
        invented += bool(extra)
    assert 0.35 < invented / len(SCENES) < 0.75


def test_true_claims_hold_and_corrupted_ones_do_not() -> None:
    rng = random.Random(2)
    for scene in SCENES:
        for entity in scene.entities:
            assert holds(claim_of(entity), scene)
            assert not holds(corrupt(claim_of(entity), scene, rng), scene)
        assert not set(absent_companions(scene)) & set(scene.kinds)


def test_questions_are_answered_truthfully_and_evenly() -> None:
    rng = random.Random(3)
    for draw in (existence_question, statement_question):
        yes = 0
        for scene in SCENES:
            question = draw(scene, rng)
            named = [mention for mention in mentions(question.text) if mention.kind in scene.kinds]
            assert question.answer in ("Yes", "No")
            if question.answer == "Yes":
                yes += 1
                colours = {entity.kind: entity.colour for entity in scene.entities}
                assert all(mention.colour in (None, colours[mention.kind]) for mention in named) and named
        assert 0.35 < yes / len(SCENES) < 0.65


def test_colours_and_kinds_do_not_share_words() -> None:
    assert not set(COLOURS) & {form for forms in surface_forms().values() for form in forms}


def test_attribute_questions_are_answered_truthfully() -> None:
    rng = random.Random(4)
    for scene in SCENES:
        question = attribute_question(scene, rng)
        (mention,) = mentions(question.text)
        present = {entity.kind: entity for entity in scene.entities}
        if question.answer == "None":
            assert mention.kind not in present
        elif question.text.startswith("What colour"):
            assert question.answer.lower() == present[mention.kind].colour
        elif question.text.startswith("How many"):
            assert NUMBERS[present[mention.kind].count] == question.answer.lower()
        else:
            assert PLACES[present[mention.kind].cell] == question.answer.lower()
