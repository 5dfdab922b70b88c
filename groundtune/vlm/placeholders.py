"""Does the processor leave as many places for an image as the model fills? If not, which setting is to blame."""

from typing import Any

from groundtune.errors import RecordError
from groundtune.vlm.families import patch_grid, tower_tokens
from groundtune.vlm.loader import PrefixChecker


def check_placeholders(reader: PrefixChecker, record_id: str, found: int, image_size: tuple[int, int]) -> None:
    """found: placeholders that the processor makes of an image of (height, width). Raises RecordError when the model
    makes another number of embeddings of it."""
    expected = reader.family.expected_image_tokens(reader.config, image_size)
    if found != expected:
        raise RecordError(
            record_id,
            "image",
            f"an image of {image_size[0]}x{image_size[1]} gets {found} placeholders from the processor, "
            f"but the model produces {expected} embeddings: {_remedy(reader)}",
        )


def _remedy(reader: PrefixChecker) -> str:
    """The processor settings that disagree with the model's config."""
    config, processor = reader.config, reader.processor
    right: dict[str, Any] = {
        "patch_size": config.vision_config.patch_size,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "num_additional_image_tokens": tower_tokens(config) - patch_grid(config) ** 2,
    }
    wrong = {name: value for name, value in right.items() if getattr(processor, name, None) != value}
    if wrong:
        return "in processor_config.json set " + ", ".join(
            f"{name} to {value!r}" for name, value in wrong.items()
        )
    side = config.vision_config.image_size
    return f"give the image processor the model's crop_size and image_grid_pinpoints (tower input {side})"
