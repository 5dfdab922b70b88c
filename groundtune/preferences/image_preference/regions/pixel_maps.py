"""From the coarse grid that a model sees to the pixels of the image as it was given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers.image_transforms import get_resize_output_image_size

from groundtune.errors import CheckpointError

FloatMap = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """The part of the image that the model's input covers, in pixels of the image. It may be larger than the image,
    where the processor padded, or smaller, where it cropped.
    """

    left: float
    top: float
    right: float
    bottom: float


def whole(size: tuple[int, int]) -> Window:
    """The window of a processor that resizes without cropping. size: width, height."""
    return Window(0.0, 0.0, float(size[0]), float(size[1]))


def seen_window(processor: Any, size: tuple[int, int]) -> Window:
    """What is left of an image (size: width, height) after the processor's resizing and centre crop.

    Raises CheckpointError for a kind of resizing that this does not know.
    """
    width, height = size
    if not getattr(processor, "do_center_crop", False):
        return whole(size)
    resized_height, resized_width = _resized(processor, width, height)
    crop_height, crop_width = processor.crop_size["height"], processor.crop_size["width"]
    # as transformers crops: the offset is rounded down, and negative where the image is smaller than the crop
    top, left = (resized_height - crop_height) // 2, (resized_width - crop_width) // 2
    across, down = width / resized_width, height / resized_height
    return Window(left * across, top * down, (left + crop_width) * across, (top + crop_height) * down)


def _resized(processor: Any, width: int, height: int) -> tuple[int, int]:
    """Height and width after resizing."""
    if not getattr(processor, "do_resize", True):
        return height, width
    known = {key: value for key, value in dict(processor.size).items() if value}
    if set(known) == {"height", "width"}:
        return int(known["height"]), int(known["width"])
    if set(known) == {"shortest_edge"}:
        shape = np.empty((3, height, width), dtype=np.bool_)
        resized = get_resize_output_image_size(
            shape, size=known["shortest_edge"], default_to_square=False, input_data_format="channels_first"
        )
        return int(resized[0]), int(resized[1])
    raise CheckpointError(
        f"the image processor resizes by {sorted(known)}; expected height and width, or shortest_edge"
    )


def to_pixels(grid: FloatMap, window: Window, size: tuple[int, int]) -> FloatMap:
    """Bilinear values of a grid at the centre of every pixel of the image; -inf outside the window.

    grid: [h, w], one value a patch, evenly spread over the window. size: width, height. Returns [height, width].
    """
    down, inside_down = _weights(grid.shape[0], window.top, window.bottom, size[1])
    across, inside_across = _weights(grid.shape[1], window.left, window.right, size[0])
    pixels = down @ grid @ across.T
    return np.where(inside_down[:, None] & inside_across, pixels, -np.inf)


def _weights(cells: int, start: float, stop: float, pixels: int) -> tuple[FloatMap, NDArray[np.bool_]]:
    """Weights of the cells at every pixel's centre along one axis, [pixels, cells], and which pixels are covered."""
    centres = (np.arange(pixels) + 0.5 - start) / (stop - start)  # 0 to 1 inside the window
    place = np.clip(centres * cells - 0.5, 0.0, cells - 1.0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, cells - 1)
    weights = np.zeros((pixels, cells))
    rows = np.arange(pixels)
    weights[rows, low] += 1.0 - (place - low)
    weights[rows, high] += place - low
    return weights, (centres >= 0.0) & (centres <= 1.0)
