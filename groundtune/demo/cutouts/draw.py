"""Cut-outs pasted on a texture, and what of each can still be seen."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from groundtune.demo.cutouts.scenes import Paste
from groundtune.demo.draw import CELL_SIZE, IMAGE_SIZE

LONGEST = 92  # pixels; without it a bus, which is long and low, would be wider than half of the picture
# Pixels to both sides that count as filled by what is thin, such as the strings of a racket or a giraffe's legs.
THIN = 4
SOLID = [0] * 128 + [255] * 128  # alpha -> whether it counts, as a table for `Image.point`


def background(seed: int) -> Image.Image:
    """Plain, a gradient, or noise of one grain, in two muted colours. RGB, IMAGE_SIZE square."""
    rng = np.random.default_rng(seed)
    first, second = rng.uniform(70, 235, 3), rng.uniform(70, 235, 3)
    texture = ("plain", "gradient", "noise")[rng.integers(3)]
    if texture == "plain":
        share = np.zeros((IMAGE_SIZE, IMAGE_SIZE))
    elif texture == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        rows, columns = np.mgrid[-1 : 1 : IMAGE_SIZE * 1j, -1 : 1 : IMAGE_SIZE * 1j]
        share = (1 + (np.cos(angle) * columns + np.sin(angle) * rows) / np.sqrt(2)) / 2
    else:
        grain = int(rng.choice((6, 18, 48)))
        small = Image.fromarray(rng.uniform(0, 255, (grain, grain)).astype(np.uint8))
        share = np.asarray(small.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)) / 255 * 0.6
    colours = first + share[..., None] * (second - first)
    return Image.fromarray(colours.astype(np.uint8))


def pasted(cutout: Image.Image, paste: Paste) -> tuple[Image.Image, tuple[int, int]]:
    """The cut-out as it lies in the picture, and where its upper left corner is; all of it is inside."""
    scale = min(paste.size / (cutout.width * cutout.height) ** 0.5, LONGEST / max(cutout.size))
    size = (max(1, round(cutout.width * scale)), max(1, round(cutout.height * scale)))
    turned = cutout.resize(size, Image.Resampling.LANCZOS)
    if paste.mirrored:
        turned = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    alpha = turned.getchannel("A")
    turned = ImageEnhance.Brightness(turned.convert("RGB")).enhance(paste.brightness)
    turned.putalpha(alpha)
    turned = turned.rotate(paste.angle, Image.Resampling.BICUBIC, expand=True)
    row, column = divmod(paste.cell, 3)
    return turned, (_start(column, paste.dx, turned.width), _start(row, paste.dy, turned.height))


def _start(line: int, offset: int, extent: int) -> int:
    """Where something begins that lies around the middle of a row or column, but inside the picture."""
    middle = line * CELL_SIZE + CELL_SIZE // 2 + offset
    return min(max(middle - extent // 2, 0), IMAGE_SIZE - extent)


def visible(layers: list[tuple[Image.Image, tuple[int, int]]], across: int) -> np.ndarray:
    """The share of each square of a grid that each layer fills where no later one hides it. [layers, across^2] float32.

    What is thin counts with a few pixels around it.
    """
    hidden = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    shares = np.zeros((len(layers), across * across), dtype=np.float32)
    step = IMAGE_SIZE // across
    for row in reversed(range(len(layers))):
        layer, corner = layers[row]
        mask = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE))
        mask.paste(layer.getchannel("A").point(SOLID), corner)
        # Wherever the box around a pixel holds one of the mask; a rank filter takes ten times as long.
        near = np.asarray(mask.filter(ImageFilter.BoxBlur(THIN))) > 0
        shares[row] = (near & ~hidden).reshape(across, step, across, step).mean((1, 3)).ravel()
        hidden |= np.asarray(mask) > 0
    return shares
