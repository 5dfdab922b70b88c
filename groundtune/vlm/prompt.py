"""From (instruction, image) to the ids and pixels of a prefix, with the check that image placeholders will
fit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor

from groundtune.errors import CheckpointError, RecordError
from groundtune.vlm.families import LLAVA_TEMPLATE
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.placeholders import check_placeholders


@dataclass(frozen=True)
class Prefix:
    """Everything before the answer.

    text: rendered prompt with one image placeholder. input_ids: [T] int64, the placeholder expanded to the
    image's tokens. pixels: the processor's outputs for this image, each [1, ...]. image_size: (height,
    width) as given. image_key: sha256 of the pixels; equal keys mean equal images, which are encoded once.
    file_sha256: of the file that the image was read from, "" when that is not known.
    """

    record_id: str
    text: str
    input_ids: Tensor
    pixels: Mapping[str, Tensor] = field(repr=False)
    image_size: tuple[int, int]
    image_key: str
    image_end: int  # index of the image's last token
    file_sha256: str

    def __len__(self) -> int:
        return len(self.input_ids)


def render(reader: Any, instruction: str, suffix: str = "") -> str:
    """One user turn (image, then text) in the checkpoint's chat template, ready for the answer; `suffix` is
    put after it.

    reader: Vlm, PrefixChecker or a bare processor. Without a chat template: the family's documented template
    (LLaVA-1.5's for a bare processor).
    """
    processor = getattr(reader, "processor", reader)
    if getattr(processor, "chat_template", None):
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": instruction}]}]
        try:
            return (
                str(processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)) + suffix
            )
        except (TemplateError, TypeError) as error:
            raise CheckpointError(
                f"the checkpoint's chat template cannot render one user turn: {error}"
            ) from error
    template = reader.family.default_template if hasattr(reader, "family") else LLAVA_TEMPLATE
    return template.replace("<image>", processor.image_token).replace("{instruction}", instruction) + suffix


def encode_prefix(
    reader: PrefixChecker, record_id: str, instruction: str, image: Image.Image, suffix: str = ""
) -> Prefix:
    """Render, tokenize and preprocess one prompt (CPU tensors).

    Raises RecordError when the instruction is empty or holds the image token, or when the number of
    placeholders differs from what the model will produce; CheckpointError when the tokenizer ends prompts
    with the end-of-answer token.
    """
    image = image.convert("RGB")
    image_size = (image.height, image.width)
    text = _checked_text(reader, record_id, instruction, suffix)
    try:
        inputs = reader.processor(
            images=[image], text=[text], return_tensors="pt", **_special_tokens(reader, text)
        )
    except (ValueError, IndexError, ZeroDivisionError, MemoryError) as error:
        size = f"{image_size[0]}x{image_size[1]}"
        raise RecordError(
            record_id, "image", f"of {size} cannot be preprocessed for the model: {error}"
        ) from error
    ids: Tensor = inputs["input_ids"][0]
    found = int((ids == reader.config.image_token_id).sum())
    check_placeholders(reader, record_id, found, image_size)
    _check_end(reader, text, int(ids[-1]))
    pixels = {key: torch.as_tensor(inputs[key]) for key in reader.family.pixel_inputs}
    return Prefix(record_id, text, ids, pixels, image_size, _key(pixels), _image_end(reader, ids), "")


def encode_unprepared(
    reader: PrefixChecker,
    record_id: str,
    instruction: str,
    pixels: Mapping[str, Tensor],
    image_size: tuple[int, int],
    *,
    image_key: str,
    file_sha256: str,
) -> Prefix:
    """The prefix that encode_prefix makes of an image with this key, whose pixels are not looked at; see Prefix.

    Raises RecordError and CheckpointError as `encode_prefix` does.
    """
    text = _checked_text(reader, record_id, instruction, "")
    ids = torch.tensor(_expanded(reader, text, _placeholders(reader, record_id, image_size)), dtype=torch.int64)
    _check_end(reader, text, int(ids[-1]))
    return Prefix(record_id, text, ids, pixels, image_size, image_key, _image_end(reader, ids), file_sha256)


def encode_alike(reader: PrefixChecker, record_id: str, instruction: str, other: Prefix) -> Prefix:
    """The prefix of another instruction about the image of `other`, whose pixels are not prepared again.

    Raises RecordError and CheckpointError as `encode_prefix` does.
    """
    text = _checked_text(reader, record_id, instruction, "")
    ids = torch.tensor(ids_alike(reader, text, other), dtype=other.input_ids.dtype)
    return replace(other, record_id=record_id, text=text, input_ids=ids, image_end=_image_end(reader, ids))


def ids_alike(reader: PrefixChecker, text: str, other: Prefix) -> list[int]:
    """Token ids of another rendered prompt about the image of `other`: its placeholder becomes as many tokens."""
    return _expanded(reader, text, int((other.input_ids == reader.config.image_token_id).sum()))


def placeholder_check(
    reader: PrefixChecker, record_id: str, instruction: str, image_size: tuple[int, int]
) -> int:
    """The length in tokens of a record's prefix, from its text and its image's (height, width) alone: no
    pixels, no weights.

    For data preparation: raises the same RecordError as encode_prefix would.
    """
    text = _checked_text(reader, record_id, instruction, "")
    return len(prompt_ids(reader, text)) - 1 + _placeholders(reader, record_id, image_size)


def prompt_ids(reader: PrefixChecker, text: str) -> list[int]:
    """Token ids of a rendered prompt, its image placeholder still a single token."""
    ids: list[int] = reader.tokenizer(text, **_special_tokens(reader, text))["input_ids"]
    return ids


def _expanded(reader: PrefixChecker, text: str, count: int) -> list[int]:
    """Token ids of a rendered prompt, its image placeholder as `count` tokens."""
    token = reader.config.image_token_id
    ids = prompt_ids(reader, text)
    at = ids.index(token)
    return [*ids[:at], *[token] * count, *ids[at + 1 :]]


def _placeholders(reader: PrefixChecker, record_id: str, image_size: tuple[int, int]) -> int:
    """What the processor makes of an image of this size; RecordError when the model makes something else."""
    counted: int = reader.processor._get_num_multimodal_tokens(image_sizes=[list(image_size)]).num_image_tokens[0]
    check_placeholders(reader, record_id, counted, image_size)
    return counted


def _image_end(reader: PrefixChecker, ids: Tensor) -> int:
    return int((ids == reader.config.image_token_id).nonzero()[-1])


def _check_end(reader: PrefixChecker, text: str, last: int) -> None:
    if last == reader.tokenizer.eos_token_id and not text.endswith(reader.tokenizer.eos_token):
        raise CheckpointError(
            "the tokenizer appends the end-of-answer token to prompts: set add_eos_token to false"
        )


def _checked_text(reader: PrefixChecker, record_id: str, instruction: str, suffix: str) -> str:
    token = reader.processor.image_token
    if not instruction.strip():
        raise RecordError(record_id, "instruction", "is empty")
    if token in instruction:
        raise RecordError(
            record_id,
            "instruction",
            f"contains the image token {token!r}: remove it, the prompt template places the image",
        )
    text = render(reader, instruction, suffix)
    if text.count(token) != 1:
        raise CheckpointError(
            f"the chat template puts {text.count(token)} image tokens {token!r} in a prompt: expected 1"
        )
    return text


def _special_tokens(reader: PrefixChecker, text: str) -> dict[str, bool]:
    bos = reader.tokenizer.bos_token
    return {"add_special_tokens": not (bos is not None and text.startswith(bos))}


def _key(pixels: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(pixels.items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
