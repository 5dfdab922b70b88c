"""Curves as SVG, each for a light and for a dark page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullLocator

FOLDER = Path("docs/images/performance")
NAMES = {"ours": "groundtune", "trl": "TRL", "transformers": "transformers", "limit": "1 GB"}


@dataclass(frozen=True)
class Theme:
    """Colours that read on a page of this kind; the background stays the page's own."""

    ink: str
    grid: str
    curves: Mapping[str, str]


THEMES = {
    "light": Theme("#1f2328", "#d1d9e0", {"ours": "#0969da", "other": "#bc4c00", "limit": "#6e7781"}),
    "dark": Theme("#e6edf3", "#3d444d", {"ours": "#58a6ff", "other": "#f0883e", "limit": "#8b949e"}),
}


@dataclass(frozen=True)
class Panel:
    """One plot: points (x, y) by side, both axes logarithmic."""

    title: str
    across: str
    curves: Mapping[str, Sequence[tuple[float, float]]]


def draw(name: str, panels: Sequence[Panel]) -> str:
    """Write `name`-light.svg and `name`-dark.svg to FOLDER; returns what a page holds to show the one that fits."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        _draw(FOLDER / f"{name}-{theme}.svg", panels, THEMES[theme])
    alternative = "; ".join(panel.title for panel in panels)
    place = f"images/performance/{name}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{place}-dark.svg">'
        f'<img alt="{alternative}" src="{place}-light.svg"></picture>'
    )


def _draw(file: Path, panels: Sequence[Panel], theme: Theme) -> None:
    words: Any = {
        "svg.hashsalt": "groundtune", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
        "text.color": theme.ink, "axes.labelcolor": theme.ink, "axes.edgecolor": theme.grid,
        "xtick.color": theme.ink, "ytick.color": theme.ink,
    }  # fmt: skip
    with plt.rc_context(words):
        figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 2.9), squeeze=False)
        for axis, panel in zip(axes[0], panels, strict=True):
            for side, points in panel.curves.items():
                colour = theme.curves.get(side, theme.curves["other"])
                style = "--" if side == "limit" else "-"
                mark = "" if side == "limit" else "o"
                label = NAMES.get(side, side)
                axis.plot(*zip(*points, strict=True), style, marker=mark, markersize=4, color=colour, label=label)
            axis.set(xscale="log", yscale="log", title=panel.title, xlabel=panel.across)
            ticks = sorted({x for points in panel.curves.values() for x, _ in points})
            axis.set_xticks(ticks, [_short(x) for x in ticks])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
            axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
            axis.grid(color=theme.grid, linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(file, transparent=True, metadata={"Date": None})
        plt.close(figure)


def _short(value: float) -> str:
    """1500000 -> 1.5M, 30000 -> 30k, 1296 -> 1,296."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit and value % (unit / 10) == 0:
            return f"{value / unit:g}{letter}"
    return f"{value:,g}"
