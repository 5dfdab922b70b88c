"""A folder of captioned cut-outs drawn here, so that no test needs Debian's package."""

from pathlib import Path

from PIL import Image, ImageDraw

# Kinds of three groups, as captions; several of an apple, so that some are held out.
CAPTIONS = (
    "A cow.", "A sheep.", "A horse.", "An elephant.", "A zebra.", "A banana.", "An orange.",
    "A “Fuji” apple.", "A red apple.", "A green apple.", "A yellow apple.", "An apple.",
    "A sedan car.", "A fire truck.",
)  # fmt: skip
KINDS = {
    "cow", "sheep", "horse", "elephant", "zebra", "banana", "orange", "apple", "car", "truck",
}  # fmt: skip
SYNONYMS = """\
cow, cattle
sheep, lamb
horse, pony
elephant
zebra
banana
orange
apple
car, sedan
truck, firetruck
"""


def draw_cutout(path: Path, number: int, caption: str | None) -> None:
    """A filled polygon of its own shape and colour, on nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (60, 50), (0, 0, 0, 0))
    colour = (53 * number % 256, 97 * number % 256, 151 * number % 256, 255)
    ImageDraw.Draw(picture).regular_polygon((30, 25, 20), 3 + number % 6, rotation=17 * number, fill=colour)
    picture.save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(f"{caption}\nde.utf8=Etwas.\n", encoding="utf-8")


def made_up_cutouts(folder: Path) -> Path:
    for number, caption in enumerate(CAPTIONS):
        draw_cutout(folder / f"part-{number % 2}" / f"{number}.png", number, caption)
    return folder


def synonyms(folder: Path) -> Path:
    path = folder / "synonyms.txt"
    path.write_text(SYNONYMS, encoding="utf-8")
    return path
