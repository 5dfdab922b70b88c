"""A prompt about an image file: what is kept of that file is neither decoded, nor prepared, nor encoded again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from torch import Tensor

from groundtune.artifacts import Row
from groundtune.images import ImageFile, ImageStore
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix, encode_unprepared


class LazyPixels(Mapping[str, Tensor]):
    """Pixel inputs that are prepared when somebody asks for one: the plain path does, kept features never do."""

    def __init__(self, prepare: Callable[[], Mapping[str, Tensor]]):
        self._prepare = prepare

    @cached_property
    def _prepared(self) -> Mapping[str, Tensor]:
        return self._prepare()

    def __getitem__(self, name: str) -> Tensor:
        return self._prepared[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._prepared)

    def __len__(self) -> int:
        return len(self._prepared)


def encode_prompt(vlm: Vlm, prompt: Row, store: ImageStore) -> Prefix:
    """A row of a prompts artifact: its image, checked against its digest, and its instruction. Raises RecordError."""
    file = store.file(prompt["id"], prompt["image"], prompt["image_sha256"])
    return encode_file(vlm, prompt["id"], prompt["instruction"], file)


def encode_file(vlm: Vlm, record_id: str, instruction: str, file: ImageFile) -> Prefix:
    """The prefix that encode_prefix makes of the file's image. Raises what it and ImageFile.decode raise."""
    kept = vlm.features.get(file.sha256) if vlm.features is not None else None
    if kept is None or kept.image_size[0] * kept.image_size[1] > file.max_pixels:
        return replace(encode_prefix(vlm, record_id, instruction, file.decode()), file_sha256=file.sha256)
    pixels = LazyPixels(lambda: encode_prefix(vlm, record_id, instruction, file.decode()).pixels)
    return encode_unprepared(
        vlm, record_id, instruction, pixels, kept.image_size, image_key=kept.image_key, file_sha256=file.sha256
    )
