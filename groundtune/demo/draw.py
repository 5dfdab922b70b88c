"""Scenes as pictures: every object is a small antialiased sprite, pasted on a pale room."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw

from groundtune.demo.sprites import draw_kind
from groundtune.demo.world import Placement, Scene

IMAGE_SIZE = 144
CELL_SIZE = IMAGE_SIZE // 3
SPRITE_SIZES = (38, 41, 44)
OVERSAMPLING = 4
# Wall and floor of each background, pale so that every object colour stands out.
ROOMS: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((246, 243, 236), (231, 224, 211)),
    ((238, 244, 248), (219, 227, 233)),
    ((243, 240, 246), (226, 220, 232)),
    ((240, 246, 239), (220, 230, 217)),
    ((248, 244, 240), (233, 226, 223)),
    ((245, 245, 245), (226, 226, 226)),
)


def box(placement: Placement) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of an object in pixels of the full picture."""
    size = SPRITE_SIZES[placement.size]
    left = _inside(placement.cell % 3 * CELL_SIZE + (CELL_SIZE - size) // 2 + placement.dx, size)
    top = _inside(placement.cell // 3 * CELL_SIZE + (CELL_SIZE - size) // 2 + placement.dy, size)
    return left, top, left + size, top + size


def _inside(start: int, size: int) -> int:
    return min(max(start, 0), IMAGE_SIZE - size)


def render(scene: Scene) -> Image.Image:
    """The picture of a scene, RGB, IMAGE_SIZE x IMAGE_SIZE."""
    picture = _room(scene.background).copy()
    for entity in scene.entities:
        for placement in entity.placements:
            sprite = _sprite(entity.kind, entity.colour, placement.size, placement.mirrored)
            picture.paste(sprite, box(placement)[:2], sprite)
    return picture


@cache
def _sprite(kind: str, colour: str, size: int, mirrored: bool) -> Image.Image:
    pixels = SPRITE_SIZES[size]
    large = Image.new("RGBA", (pixels * OVERSAMPLING,) * 2, (0, 0, 0, 0))
    draw_kind(large, kind, colour)
    sprite = large.resize((pixels, pixels), Image.Resampling.LANCZOS)
    return sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else sprite


@cache
def _room(background: int) -> Image.Image:
    wall, floor = ROOMS[background]
    room = Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), wall)
    ImageDraw.Draw(room).rectangle((0, IMAGE_SIZE * 2 // 3, IMAGE_SIZE, IMAGE_SIZE), fill=floor)
    return room
