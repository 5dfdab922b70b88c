"""One drawing a kind, on a square of 100 x 100 units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAINT: dict[str, Colour] = {
    "red": (217, 54, 52),
    "orange": (243, 140, 30),
    "yellow": (247, 212, 50),
    "green": (56, 158, 76),
    "blue": (50, 112, 207),
    "purple": (146, 82, 182),
}
INK: Colour = (52, 48, 54)
PALE: Colour = (250, 250, 248)
LEAF: Colour = (86, 128, 70)
STEM: Colour = (110, 84, 62)
GLASS: Colour = (214, 232, 242)


class Pen:
    """Draws in units of a hundredth of the sprite, with an outline in a darker shade of the fill."""

    def __init__(self, canvas: Image.Image, fill: Colour) -> None:
        self.draw = ImageDraw.Draw(canvas)
        self.unit = canvas.width / 100
        self.fill = fill
        self.edge: Colour = (fill[0] * 6 // 10, fill[1] * 6 // 10, fill[2] * 6 // 10)

    def _scaled(self, values: Sequence[float]) -> list[float]:
        return [value * self.unit for value in values]

    def oval(self, left: float, top: float, right: float, bottom: float, fill: Colour | None = None) -> None:
        self.draw.ellipse(self._scaled((left, top, right, bottom)), fill or self.fill, self.edge, round(3 * self.unit))

    def ring(self, left: float, top: float, right: float, bottom: float, width: float, ink: Colour) -> None:
        self.draw.ellipse(self._scaled((left, top, right, bottom)), None, ink, round(width * self.unit))

    def block(
        self, left: float, top: float, right: float, bottom: float, radius: float = 0, fill: Colour | None = None
    ) -> None:
        corners = self._scaled((left, top, right, bottom))
        self.draw.rounded_rectangle(corners, radius * self.unit, fill or self.fill, self.edge, round(3 * self.unit))

    def shape(self, *points: Point, fill: Colour | None = None) -> None:
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        self.draw.polygon(scaled, fill or self.fill)
        self.draw.line([*scaled, scaled[0]], self.edge, round(3 * self.unit), joint="curve")

    def line(self, *points: Point, width: float = 6, ink: Colour | None = None) -> None:
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        self.draw.line(scaled, ink or self.fill, round(width * self.unit), joint="curve")

    def dot(self, x: float, y: float, radius: float, ink: Colour = INK) -> None:
        self.draw.ellipse(self._scaled((x - radius, y - radius, x + radius, y + radius)), ink)


def draw_kind(canvas: Image.Image, kind: str, colour: str) -> None:
    """Draws a kind in a colour on a square transparent canvas."""
    DRAWINGS[kind](Pen(canvas, PAINT[colour]))


def _cup(pen: Pen) -> None:
    pen.ring(58, 32, 96, 70, 9, pen.edge)
    pen.block(14, 18, 72, 84, 12)
    pen.oval(14, 12, 72, 30, PALE)


def _spoon(pen: Pen) -> None:
    pen.line((46, 54), (84, 94), width=14, ink=pen.edge)
    pen.line((46, 54), (83, 93), width=9)
    pen.oval(10, 6, 58, 64)
    pen.oval(20, 16, 44, 46, PALE)


def _plate(pen: Pen) -> None:
    pen.oval(3, 3, 97, 97)
    pen.oval(20, 20, 80, 80, PALE)
    pen.oval(34, 34, 66, 66)


def _bottle(pen: Pen) -> None:
    pen.block(40, 2, 60, 36, 3)
    pen.block(26, 30, 74, 98, 12)
    pen.block(40, 2, 60, 12, 2, INK)
    pen.block(30, 52, 70, 78, 2, PALE)


def _apple(pen: Pen) -> None:
    pen.line((50, 30), (55, 6), width=7, ink=STEM)
    pen.shape((56, 16), (84, 4), (74, 24), fill=LEAF)
    pen.oval(8, 24, 62, 94)
    pen.oval(38, 24, 92, 94)
    pen.draw.ellipse(pen._scaled((26, 30, 74, 90)), pen.fill)


def _banana(pen: Pen) -> None:
    pen.shape(
        (8, 20), (16, 50), (36, 76), (64, 88), (94, 84), (96, 74), (72, 64), (50, 50), (34, 32), (24, 12), (16, 10)
    )  # fmt: skip
    pen.shape((10, 22), (8, 6), (18, 4), (24, 14), fill=STEM)


def _pear(pen: Pen) -> None:
    pen.line((50, 22), (58, 3), width=7, ink=STEM)
    pen.oval(32, 14, 68, 58)
    pen.oval(16, 40, 84, 98)
    pen.draw.ellipse(pen._scaled((36, 20, 64, 72)), pen.fill)


def _carrot(pen: Pen) -> None:
    for tip in ((52, 4), (76, 4), (96, 20)):
        pen.line((64, 34), tip, width=9, ink=LEAF)
    pen.shape((50, 24), (76, 48), (66, 60), (8, 96), (4, 92), (40, 34))
    pen.line((36, 50), (50, 62), width=4, ink=pen.edge)
    pen.line((24, 68), (34, 78), width=4, ink=pen.edge)


def _car(pen: Pen) -> None:
    pen.shape((24, 48), (36, 22), (68, 22), (82, 48))
    pen.shape((34, 46), (42, 30), (50, 30), (50, 46), fill=GLASS)
    pen.shape((56, 46), (56, 30), (65, 30), (73, 46), fill=GLASS)
    pen.block(3, 44, 97, 74, 9)
    for x in (26, 74):
        pen.dot(x, 76, 14)
        pen.dot(x, 76, 6, PALE)


def _bus(pen: Pen) -> None:
    pen.block(4, 10, 96, 80, 8)
    for left in (12, 34, 56, 78):
        pen.block(left, 22, left + 14, 46, 2, GLASS)
    pen.line((6, 58), (94, 58), width=4, ink=pen.edge)
    for x in (26, 74):
        pen.dot(x, 82, 12)
        pen.dot(x, 82, 5, PALE)


def _bicycle(pen: Pen) -> None:
    for x in (24, 76):
        pen.ring(x - 22, 46, x + 22, 90, 6, INK)
    pen.line((24, 68), (42, 36), (66, 36), (48, 68), (24, 68), width=8)
    pen.line((48, 68), (42, 36), width=8)
    pen.line((76, 68), (64, 24), (78, 18), width=8)
    pen.line((32, 30), (50, 30), width=8, ink=INK)


def _sign(pen: Pen) -> None:
    pen.line((50, 60), (50, 99), width=10, ink=STEM)
    pen.shape((34, 2), (66, 2), (88, 22), (88, 48), (66, 68), (34, 68), (12, 48), (12, 22))
    pen.block(26, 28, 74, 42, 2, PALE)


def _dog(pen: Pen) -> None:
    pen.oval(18, 12, 82, 88)
    for left in (4, 74):
        pen.draw.ellipse(pen._scaled((left, 14, left + 22, 68)), pen.edge)
    pen.oval(32, 48, 68, 84, PALE)
    pen.dot(50, 58, 8)
    for x in (36, 64):
        pen.dot(x, 38, 5)


def _cat(pen: Pen) -> None:
    pen.shape((12, 4), (44, 28), (14, 52))
    pen.shape((88, 4), (56, 28), (86, 52))
    pen.oval(10, 22, 90, 94)
    for x in (34, 66):
        pen.oval(x - 9, 42, x + 9, 60, PALE)
        pen.dot(x, 51, 4)
    pen.shape((45, 66), (55, 66), (50, 73), fill=INK)
    for y in (68, 80):
        pen.line((4, y), (34, 74), width=3, ink=INK)
        pen.line((96, y), (66, 74), width=3, ink=INK)


def _fish(pen: Pen) -> None:
    pen.shape((66, 50), (98, 22), (98, 78))
    pen.oval(4, 24, 78, 76)
    pen.line((44, 30), (50, 50), (44, 70), width=4, ink=pen.edge)
    pen.dot(22, 44, 7, PALE)
    pen.dot(22, 44, 4)


def _bird(pen: Pen) -> None:
    pen.shape((66, 66), (99, 46), (94, 76))
    pen.line((44, 84), (44, 98), width=5, ink=INK)
    pen.line((56, 84), (56, 98), width=5, ink=INK)
    pen.oval(18, 36, 82, 88)
    pen.oval(10, 8, 56, 54)
    pen.shape((14, 26), (0, 34), (14, 40), fill=INK)
    pen.draw.ellipse(pen._scaled((42, 48, 76, 74)), pen.edge)
    pen.dot(28, 27, 5)


DRAWINGS: dict[str, Callable[[Pen], None]] = {
    "cup": _cup, "spoon": _spoon, "plate": _plate, "bottle": _bottle,
    "apple": _apple, "banana": _banana, "pear": _pear, "carrot": _carrot,
    "car": _car, "bus": _bus, "bicycle": _bicycle, "sign": _sign,
    "dog": _dog, "cat": _cat, "fish": _fish, "bird": _bird,
}  # fmt: skip
