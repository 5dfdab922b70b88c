"""Rewrites the measured blocks and the figures of docs/performance.md from bench/results/engine_*.json.

    python -m bench.engine.page
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.engine import plots, tables
from bench.engine.results import stored
from bench.pages import rewrite

PAGE = Path("docs/performance.md")
COMMANDS = {"gpu": "python -m bench.gpu", "selection": "python -m bench.engine selection"}

# block of the page -> (suite, what is made of its file)
BLOCKS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "step": ("step", lambda found: f"{tables.rates(found, 'pairs')}\n\n{tables.losses(found)}"),
    "step_memory": ("step", tables.memory_ratio),
    "step_profile": ("step", tables.profiles),
    "epoch": ("epoch", lambda found: tables.rates(found, "pairs")),
    "reference": ("reference", lambda found: tables.rates(found, "pairs")),
    "sampling": ("sampling", lambda found: tables.rates(found, "tokens")),
    "sampling_profile": ("sampling", tables.profiles),
    "growth": ("growth", lambda found: f"{growth_figures(found)}\n\n{tables.growth(found)}"),
    "selection": ("selection", lambda found: f"{selection_figure(found)}\n\n{tables.selection(found)}"),
    "gpu": ("gpu", tables.gpu),
}


def growth_figures(result: dict[str, Any]) -> str:
    """A figure a curve: seconds and memory."""
    figures = []
    for size, case in result["cases"].items():
        for name, curve in case["curves"].items():
            title = tables.MODELS[size]
            panels = [
                plots.Panel(
                    f"{title}: seconds", curve["varied"], _curves(curve, lambda point: point["seconds"]["median"])
                ),
                plots.Panel(f"{title}: MiB added", curve["varied"], _curves(curve, lambda point: point["memory"])),
            ]
            figures.append(plots.draw(f"growth-{size}-{name.replace('_', '-')}", panels))
    return "\n\n".join(figures)


def selection_figure(result: dict[str, Any]) -> str:
    points = result["cases"]["all"]["points"]
    seconds = [(point["value"], point["seconds"]) for point in points]
    memory = [(point["value"], point["peak"] / tables.MEBIBYTE) for point in points]
    limit = [(point["value"], 1e9 / tables.MEBIBYTE) for point in points]
    panels = [
        plots.Panel("select_pairs: seconds", "candidates", {"ours": seconds}),
        plots.Panel("select_pairs: MiB at peak", "candidates", {"ours": memory, "limit": limit}),
    ]
    return plots.draw("selection", panels)


def block_text(block: str) -> str:
    """What the page holds between the marks of `block`."""
    suite, made = BLOCKS[block]
    found = stored(suite)
    if found is None:
        return f"Not measured yet: `{COMMANDS.get(suite, f'python -m bench.engine {suite}')}` measures it."
    return made(found)


def write(page: Path = PAGE) -> None:
    """Rewrite every block."""
    for block in BLOCKS:
        rewrite(page, block, block_text(block))


def _curves(
    curve: dict[str, Any], height: Callable[[dict[str, Any]], float]
) -> dict[str, list[tuple[float, float]]]:
    return {
        side: [(point["value"], height(point)) for point in points] for side, points in curve["sides"].items()
    }


if __name__ == "__main__":
    write()
