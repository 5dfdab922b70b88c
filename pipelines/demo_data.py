"""The embedded picture world's files, written when a run is the first to want them."""

from pathlib import Path

FOLDER = Path("runs/demo/data")
PROMPTS, PICTURES = 400, 200  # as `make demo` writes them


def ensure_demo_data() -> None:
    """Write runs/demo/data unless it is there. The same bytes every time."""
    if (FOLDER / "eval" / "mme").is_dir():
        return
    from groundtune.demo.dataset import write_demo

    write_demo(FOLDER, PROMPTS, PICTURES, seed=0)
