"""Promises about prompts: the template is the checkpoint's, and placeholders fit the embeddings."""

import json

import pytest
import torch
from PIL import Image

from groundtune.errors import CheckpointError, RecordError
from groundtune.vlm.answer_ids import encode_answer
from groundtune.vlm.features import image_features, prefix_embeddings
from groundtune.vlm.loader import load_processor
from groundtune.vlm.prompt import encode_alike, encode_prefix, placeholder_check, render
from tests.tiny_checkpoints import tiny_llava
from tests.unit.vlm.conftest import picture, prompts

SHAPES = [(28, 28), (1, 1), (1, 500), (500, 1), (57, 56), (56, 57), (83, 84), (100, 33), (29, 640)]


def test_the_checkpoint_s_chat_template_is_used(llava):
    assert render(llava, "What is it?") == "USER: <image>\nWhat is it? ASSISTANT:"
    assert render(llava.processor, "What is it?", " It is") == "USER: <image>\nWhat is it? ASSISTANT: It is"


def test_without_a_chat_template_the_documented_one_is_used(tmp_path):
    reader = load_processor(tiny_llava(tmp_path, chat_template=None))
    assert reader.processor.chat_template is None
    expected = "USER: <image>\n{braces} and {instruction} ASSISTANT:"
    assert render(reader, "{braces} and {instruction}") == expected
    assert render(reader.processor, "{braces} and {instruction}") == expected
    assert encode_prefix(reader, "a", "hi", picture(0)).text.startswith("USER: <image>\nhi")


def test_a_chat_template_that_fails_is_the_checkpoint_s_fault(tmp_path):
    for template in ("{% if %}", "{{ raise_exception('no') }}", "no image here", "<image><image>"):
        reader = load_processor(tiny_llava(tmp_path, chat_template=template))
        with pytest.raises(CheckpointError, match="chat template"):
            encode_prefix(reader, "a", "hi", picture(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_placeholders_equal_the_embeddings_the_model_produces(vlm, shape):
    prefix = encode_prefix(vlm, "a", "Is there a cat?", picture(0, shape))
    count = int((prefix.input_ids == vlm.config.image_token_id).sum())
    assert len(image_features(vlm, [prefix])[0]) == count
    assert vlm.family.expected_image_tokens(vlm.config, shape) == count
    assert placeholder_check(vlm, "a", "Is there a cat?", shape) == len(prefix)
    assert prefix.image_size == shape


@torch.no_grad()
def test_prefix_embeddings_are_those_of_the_ordinary_forward_pass(vlm):
    seen = []
    hook = vlm.family.language_model(vlm.base).register_forward_pre_hook(
        lambda module, args, settings: seen.append(settings["inputs_embeds"]), with_kwargs=True
    )
    for prefix, mine in zip(prompts(vlm), prefix_embeddings(vlm, prompts(vlm)), strict=True):
        vlm.model(input_ids=prefix.input_ids.unsqueeze(0), **prefix.pixels)
        assert torch.allclose(seen.pop()[0], mine, atol=1e-5)
    hook.remove()


@pytest.mark.parametrize(
    ("setting", "value", "found", "right"),
    [
        ("patch_size", 14, 4, "set patch_size to 7"),
        ("num_additional_image_tokens", 0, 15, "set num_additional_image_tokens to 1"),
        ("vision_feature_select_strategy", "full", 17, "set vision_feature_select_strategy to 'default'"),
    ],
)
def test_a_placeholder_mismatch_names_record_numbers_and_setting(tmp_path, setting, value, found, right):
    reader = load_processor(tiny_llava(tmp_path, processor_settings={setting: value}))
    message = rf'id="r-7": image: .*gets {found} placeholders .* produces 16 .*{right}'
    with pytest.raises(RecordError, match=message):
        encode_prefix(reader, "r-7", "hi", picture(0))
    with pytest.raises(RecordError, match=message):
        placeholder_check(reader, "r-7", "hi", (28, 28))


def test_a_processor_with_another_image_size_is_found(tmp_path):
    path = tiny_llava(tmp_path)
    settings = json.loads((path / "processor_config.json").read_text())
    settings["image_processor"] |= {"crop_size": {"height": 56, "width": 56}, "size": {"shortest_edge": 56}}
    (path / "processor_config.json").write_text(json.dumps(settings))
    with pytest.raises(RecordError, match=r"gets 64 placeholders .* produces 16 .*crop_size"):
        encode_prefix(load_processor(path), "a", "hi", picture(0))


@pytest.mark.parametrize("instruction", ["what is <image>?", "", "  \n"])
def test_an_instruction_with_the_image_token_or_nothing_is_refused(llava, instruction):
    with pytest.raises(RecordError, match=r'id="r1": instruction'):
        encode_prefix(llava, "r1", instruction, picture(0))
    with pytest.raises(RecordError, match=r'id="r1": instruction'):
        placeholder_check(llava, "r1", instruction, (28, 28))


def test_equal_images_have_equal_keys(vlm):
    one, same, other = (encode_prefix(vlm, "a", "hi", picture(seed)) for seed in (1, 1, 2))
    assert one.image_key == same.image_key != other.image_key


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_any_image_mode_is_read(llava, mode):
    assert encode_prefix(llava, "a", "hi", Image.new(mode, (30, 40))).image_size == (40, 30)


def test_a_prompt_starts_with_one_beginning_token(tmp_path, llava):
    own = tiny_llava(tmp_path, chat_template="{{ '<s>' }}USER: <image>\n{{ messages[0].content[1].text }} A:")
    for reader in (llava, load_processor(own)):
        ids = encode_prefix(reader, "a", "hi", picture(0)).input_ids.tolist()
        assert ids.count(reader.tokenizer.bos_token_id) == 1


def test_a_written_answer_gets_the_ids_it_has_behind_its_prompt(llava):
    prefix = encode_prefix(llava, "a", "hi", picture(0))
    ids = encode_answer(llava, prefix, "Yes, a red cup.")
    assert ids[-1] == llava.tokenizer.eos_token_id
    whole = llava.tokenizer(prefix.text + " Yes, a red cup.")["input_ids"]
    assert whole[-len(ids) + 1 :] == list(ids[:-1])
    assert encode_answer(llava, prefix, "Yes, a red cup.", finished=False) == ids[:-1]
    assert llava.tokenizer.decode(ids, skip_special_tokens=True).strip() == "Yes, a red cup."
    for wrong in ("", "an <image>"):
        with pytest.raises(RecordError, match="answer"):
            encode_answer(llava, prefix, wrong)


@pytest.mark.parametrize("shape", SHAPES)
def test_another_prompt_about_an_image_is_encoded_without_preparing_it_again(vlm, shape):
    image = picture(0, shape)
    first = encode_prefix(vlm, "a", "What is it?", image)
    alike = encode_alike(vlm, "b", "Is there a dog, a cup and a banana?", first)
    whole = encode_prefix(vlm, "b", "Is there a dog, a cup and a banana?", image)
    assert torch.equal(alike.input_ids, whole.input_ids) and alike.input_ids.dtype == whole.input_ids.dtype
    for name in ("record_id", "text", "image_key", "image_size", "image_end"):
        assert getattr(alike, name) == getattr(whole, name)
    with pytest.raises(RecordError, match="image token"):
        encode_alike(vlm, "c", "What is <image>?", first)
