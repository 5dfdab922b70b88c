"""The sheet that charts draw on: linear scales, round ticks, axes, and SVG with an accessible title."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

Format = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] of the data to [start, end] of the sheet; a range of no width maps to the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) inside [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if index == 0 else index * step for index in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.05, include: Sequence[float] = ()) -> tuple[float, float]:
    """Range of the finite values and of `include`, with a little air; (0, 1) when there is nothing."""
    finite = [value for value in (*values, *include) if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    air = (high - low) * share or max(abs(high), 1.0) * share
    return low - air, high + air


def tick_text(value: float) -> str:
    """A short number with a true minus sign: 0.2, 1,200, 2e−5."""
    if value and abs(value) < 1e-3:
        text = f"{value:.0e}".replace("e-0", "e-")
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def coordinate(value: float) -> str:
    """Tenths of a unit are fine enough for a screen, and keep the page small."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


@dataclass
class Figure:
    """One SVG of `width` x `height` units with a plot area inside margins.

    title: read out by screen readers and shown on hover; description: the longer text behind it.
    """

    title: str
    description: str = ""
    width: float = 420.0
    height: float = 250.0
    left: float = 46.0
    right: float = 12.0
    top: float = 10.0
    bottom: float = 40.0
    parts: list[Markup] = field(default_factory=list)

    def x_scale(self, low: float, high: float) -> Scale:
        return Scale(low, high, self.left, self.width - self.right)

    def y_scale(self, low: float, high: float) -> Scale:
        return Scale(low, high, self.height - self.bottom, self.top)

    def add(self, template: str, **values: object) -> None:
        """Add one element; values are escaped as they are put in."""
        self.parts.append(Markup(template).format(**values))

    def text(self, x: float, y: float, content: str, anchor: str = "middle", kind: str = "tick") -> None:
        self.add(
            '<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}">{content}</text>',
            x=coordinate(x), y=coordinate(y), anchor=anchor, kind=kind, content=content,
        )  # fmt: skip

    def x_axis(self, scale: Scale, label: str, ticks: int = 5, format: Format = tick_text) -> None:
        floor = self.height - self.bottom
        self.line(self.left, floor, self.width - self.right, floor, "axis")
        for value in round_ticks(scale.low, scale.high, ticks):
            self.line(scale(value), floor, scale(value), floor + 4, "axis")
            self.text(scale(value), floor + 16, format(value))
        self.text((self.left + self.width - self.right) / 2, self.height - 5, label, kind="label")

    def y_axis(self, scale: Scale, ticks: int = 4, format: Format = tick_text) -> None:
        for value in round_ticks(scale.low, scale.high, ticks):
            self.line(self.left, scale(value), self.width - self.right, scale(value), "grid")
            self.text(self.left - 6, scale(value) + 4, format(value), "end")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.add(
            '<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" class="{kind}"/>',
            a=coordinate(x1), b=coordinate(y1), c=coordinate(x2), d=coordinate(y2), kind=kind,
        )  # fmt: skip

    def render(self) -> Markup:
        """The SVG element."""
        description = Markup("<desc>{}</desc>").format(self.description) if self.description else Markup("")
        head = Markup('<svg viewBox="0 0 {} {}" role="img" class="chart"><title>{}</title>').format(
            coordinate(self.width), coordinate(self.height), self.title
        )
        return head + description + Markup("").join(self.parts) + Markup("</svg>")


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """Path data through the points; a point that is not finite interrupts the line."""
    pieces: list[str] = []
    pen_up = True
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen_up = True
            continue
        pieces.append(f"{'M' if pen_up else 'L'}{coordinate(x)} {coordinate(y)}")
        pen_up = False
    return "".join(pieces)


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """HTML legend above a chart: (class of the colour, words)."""
    items = Markup("").join(
        Markup('<span class="key"><i class="swatch {}"></i>{}</span>').format(kind, words) for kind, words in entries
    )
    return Markup('<p class="legend">{}</p>').format(items)
