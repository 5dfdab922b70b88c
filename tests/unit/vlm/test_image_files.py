"""Promises of prompts about image files: a kept image costs a read of its file, and gives the same numbers."""

import hashlib
import io
import shutil
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image

from groundtune import images
from groundtune.errors import RecordError
from groundtune.images import ImageFile
from groundtune.vlm import families
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.feature_identity import open_features, processor_digest, tower_digest
from groundtune.vlm.features import image_features
from groundtune.vlm.generate import Decoding, generate
from groundtune.vlm.image_files import encode_file
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_logprobs
from groundtune.vlm.prompt import encode_alike, encode_prefix
from tests.tiny_checkpoints import tiny_llava
from tests.unit.vlm.conftest import SIZES, picture, prompts, random_branches

QUESTIONS = ("What is it?", "Is there a cat in the image?", "Describe", "Is there a dog, a cup and a banana?")


def file_of(seed: int, size=(28, 28), **changes) -> ImageFile:
    stream = io.BytesIO()
    picture(seed, size).save(stream, "PNG")
    data = stream.getvalue()
    given = {"record_id": f"r{seed}", "reference": f"{seed}.png", "max_pixels": 10**6}
    return ImageFile(data, hashlib.sha256(data).hexdigest(), **given | changes)


def encoded(vlm):
    return [
        encode_file(vlm, f"r{i}", text, file_of(i, SIZES[i])) for i, text in enumerate(QUESTIONS)
    ]


@pytest.fixture
def keeping(vlm, monkeypatch):
    """The model with an empty cache; its features are those of a fresh process at each call."""

    def reopened():
        monkeypatch.setattr(vlm, "features", open_features(vlm, 64))
        return vlm

    return reopened


@pytest.fixture
def tower_calls(vlm, monkeypatch):
    """How many images the tower has encoded."""
    calls = []
    plain = vlm.family.image_features

    def counted(model, inputs):
        calls.append(1)
        return plain(model, inputs)

    monkeypatch.setattr(vlm, "family", replace(vlm.family, image_features=counted))
    return calls


def test_a_kept_image_is_neither_decoded_nor_prepared_nor_encoded(vlm, keeping, tower_calls, monkeypatch):
    """And all that comes of it is the same to the last bit."""
    plain = encoded(vlm)
    with torch.no_grad():
        expected = image_features(vlm, plain)
        keeping()
        image_features(vlm, encoded(vlm))
        assert len(tower_calls) == 8
        keeping()
        for owner, name in ((images, "decode"), (vlm.processor.image_processor, "preprocess")):
            monkeypatch.setattr(owner, name, None)
        prefixes = encoded(vlm)
        found = image_features(vlm, prefixes)
    assert len(tower_calls) == 8
    for one, other, mine, theirs in zip(plain, prefixes, found, expected, strict=True):
        assert torch.equal(mine, theirs) and torch.equal(one.input_ids, other.input_ids)
        for name in ("record_id", "text", "image_size", "image_key", "image_end", "file_sha256"):
            assert getattr(one, name) == getattr(other, name)


def test_features_do_not_depend_on_what_else_is_encoded(vlm):
    with torch.no_grad():
        together = image_features(vlm, prompts(vlm))
        for prefix, expected in zip(prompts(vlm), together, strict=True):
            assert torch.equal(image_features(vlm, [prefix])[0], expected)


def test_scores_and_answers_are_equal_with_and_without(vlm, keeping):
    branches = random_branches(vlm, [[3, 5], [1], [4, 2, 6], [2]])
    decoding = Decoding(max_new_tokens=6, samples=2)

    def results():
        with torch.no_grad():
            scored = branch_logprobs(vlm, encoded(vlm), branches)
        return scored, generate(vlm, encoded(vlm), decoding, [1, 2, 3, 4])

    plain_scores, plain_answers = results()
    keeping()
    for _ in range(2):  # the first fills
        scores, answers = results()
        keeping()
        assert answers == plain_answers
        for own, expected in zip(scores, plain_scores, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(own, expected, strict=True))


def test_the_plain_path_gets_its_pixels_from_a_kept_image(vlm, keeping):
    branches = random_branches(vlm, [[3], [2], [4], [1]])
    prefixes = encoded(vlm)
    with torch.no_grad():
        expected = plain_logprobs(vlm, prefixes, branches)
        keeping()
        image_features(vlm, prefixes)
        kept = encoded(vlm)
        found = plain_logprobs(vlm, kept, branches)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(found, expected, strict=True))
    assert kept[0].pixels.keys() == prefixes[0].pixels.keys() and len(kept[0].pixels) == len(prefixes[0].pixels)


def test_another_question_about_a_kept_image_is_the_same_prompt(vlm, keeping):
    keeping()
    with torch.no_grad():
        image_features(vlm, encoded(vlm))
    first = encode_file(vlm, "a", "What is it?", file_of(1, SIZES[1]))
    alike = encode_alike(vlm, "b", QUESTIONS[3], first)
    whole = encode_prefix(vlm, "b", QUESTIONS[3], picture(1, SIZES[1]))
    assert torch.equal(alike.input_ids, whole.input_ids) and alike.image_end == whole.image_end


@pytest.mark.parametrize("instruction", ["", "  ", "What is <image>?"])
def test_a_bad_instruction_is_refused_for_a_kept_image_as_well(llava, monkeypatch, instruction):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    with torch.no_grad():
        image_features(llava, [encode_file(llava, "r", "hi", file_of(0))])
    with pytest.raises(RecordError) as kept:
        encode_file(llava, "r", instruction, file_of(0))
    with pytest.raises(RecordError) as plain:
        encode_prefix(llava, "r", instruction, picture(0))
    assert str(kept.value) == str(plain.value)


def test_a_wrong_number_of_placeholders_is_refused_for_a_kept_image_as_well(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    with torch.no_grad():
        image_features(llava, [encode_file(llava, "r", "hi", file_of(0))])
    monkeypatch.setattr(llava.processor, "num_additional_image_tokens", 3)
    with pytest.raises(RecordError, match="placeholders"):
        encode_file(llava, "r", "hi", file_of(0))


def test_a_kept_image_beyond_the_pixel_limit_is_refused(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    with torch.no_grad():
        image_features(llava, [encode_file(llava, "r", "hi", file_of(0))])
    with pytest.raises(RecordError, match="max_image_pixels"):
        encode_file(llava, "r", "hi", file_of(0, max_pixels=100))


def test_a_file_that_vanishes_behind_a_prompt_is_encoded_again(llava, monkeypatch):
    """Another run may make room while this one has prepared its prompts."""
    with torch.no_grad():
        monkeypatch.setattr(llava, "features", open_features(llava, 64))
        (expected,) = image_features(llava, [encode_file(llava, "r", "hi", file_of(0))])
        prefix = encode_file(llava, "r", "hi", file_of(0))
        for file in llava.features.folder.iterdir():
            file.unlink()
        assert torch.equal(image_features(llava, [prefix])[0], expected)


def test_a_tower_that_learns_is_never_kept(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    weight = next(llava.base.model.multi_modal_projector.parameters())
    assert weight.requires_grad
    for _ in range(2):
        (features,) = image_features(llava, [encode_file(llava, "r", "hi", file_of(0))])
        assert features.requires_grad and llava.features.get(file_of(0).sha256) is None


def test_an_image_that_came_from_no_file_is_kept_by_its_pixels(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    with torch.no_grad():
        (first,) = image_features(llava, prompts(llava, 1))
        monkeypatch.setattr(llava, "family", replace(llava.family, image_features=None))
        assert torch.equal(image_features(llava, prompts(llava, 1))[0], first)


def test_a_limit_of_zero_keeps_nothing(llava):
    assert open_features(llava, 0) is None


def test_one_tower_has_one_digest_wherever_it_lies_and_whatever_is_around_it(llava, llava_path, adapter_path, tmp_path):
    """An adapter of the language model, and a copy of the checkpoint, share the features of the base model."""
    copy = shutil.copytree(llava_path, tmp_path / "copy")
    adapted = load_vlm(llava_path, adapter=adapter_path, device="cpu")
    for other in (adapted, load_vlm(copy, device="cpu")):
        assert tower_digest(other) == tower_digest(llava) and processor_digest(other) == processor_digest(llava)


def test_what_changes_a_feature_changes_the_digest(llava, llava_path, llava_next_path, tmp_path):
    def changed(change):
        vlm = load_vlm(llava_path, device="cpu")
        change(vlm)
        return vlm

    def a_weight(vlm):
        with torch.no_grad():
            next(vlm.base.model.vision_tower.parameters()).view(-1)[0] += 1e-3

    def the_projector(vlm):
        with torch.no_grad():
            vlm.base.model.multi_modal_projector.linear_2.bias[0] += 1e-3

    def the_layer(vlm):
        vlm.config.vision_feature_layer = -1

    def the_attention(vlm):
        vlm.base.model.vision_tower.set_attn_implementation("eager")

    def lora(alpha):
        def of_the_tower(vlm):
            torch.manual_seed(0)
            target = r".*vision_tower.*q_proj"
            config = LoraConfig(r=2, lora_alpha=alpha, target_modules=target, init_lora_weights=False)
            vlm.model = get_peft_model(vlm.model, config)

        return of_the_tower

    others = [
        load_vlm(llava_next_path, device="cpu"),
        load_vlm(tiny_llava(tmp_path / "seed", seed=1), device="cpu"),
        load_vlm(llava_path, device="cpu", dtype="bfloat16"),
        *map(changed, (a_weight, the_projector, the_layer, the_attention, lora(2), lora(4))),
    ]
    digests = [tower_digest(vlm) for vlm in (llava, *others)]
    assert len(set(digests)) == len(digests)


def test_another_processor_is_another_folder(llava_path):
    first, second = load_vlm(llava_path, device="cpu"), load_vlm(llava_path, device="cpu")
    second.processor.image_processor.image_mean = [0.5, 0.5, 0.5]
    assert tower_digest(first) == tower_digest(second) and processor_digest(first) != processor_digest(second)
    assert open_features(first, 1).folder != open_features(second, 1).folder
    assert open_features(first, 1).folder == open_features(load_vlm(llava_path, device="cpu"), 1).folder


def test_a_file_that_is_no_image_is_named(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", open_features(llava, 64))
    broken = ImageFile(b"nonsense", hashlib.sha256(b"nonsense").hexdigest(), "r9", "9.png", 10**6)
    with pytest.raises(RecordError, match='id="r9".*not a readable image'):
        encode_file(llava, "r9", "hi", broken)


def test_every_family_s_pixels_are_those_that_the_tower_takes(vlm):
    assert vlm.family in families.FAMILIES.values()
    assert set(encode_prefix(vlm, "a", "hi", Image.new("RGB", (30, 40))).pixels) == set(vlm.family.pixel_inputs)
