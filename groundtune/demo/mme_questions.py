"""The questions of MME that the world can ask: a file a task, one question with yes and one with no a picture."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from groundtune.demo.claims import Claim, absent_companions, absent_kinds
from groundtune.demo.language import noun_phrase, plural
from groundtune.demo.questions import kind_question, number_question
from groundtune.demo.world import COLOURS, COUNT_WEIGHTS, Entity, Scene

# MME has 30 pictures in each of these tasks; 60 make the intervals of a demo narrower and still answer in seconds.
MOST_PICTURES = 60
ENDING = " Please answer yes or no."
# (asked of the first, asked to deny it, rows or columns of the grid): the second thing lies further on.
SIDES: tuple[tuple[str, str, Callable[[int], int]], ...] = (
    ("on the left side of", "on the right side of", lambda cell: cell % 3),
    ("above", "below", lambda cell: cell // 3),
)

Asked = tuple[str, str]  # a question whose answer is yes, and one whose answer is no


def write_mme(folder: Path, names: Sequence[str], listed: Sequence[Scene], seed: str) -> int:
    """`<task>.txt` for each task, lines of image, question, truth, parted by tabs; returns the number of questions.

    That is the layout of the result files of MME's own evaluation tool, without an answer yet: its images are bare
    names, so the pictures of the split serve every benchmark and are not copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for task, ask in TASKS.items():
        rng = random.Random(f"{seed}/mme/{task}")
        lines: list[str] = []
        for name, scene in zip(names, listed, strict=True):
            asked = ask(scene, rng)
            if asked is not None and len(lines) < 2 * MOST_PICTURES:
                lines += [
                    f"{name}\t{text}{ENDING}\t{truth}\n" for text, truth in zip(asked, ("Yes", "No"), strict=True)
                ]
        (folder / f"{task}.txt").write_text("".join(lines), encoding="utf-8")
        written += len(lines)
    return written


def _existence(scene: Scene, rng: random.Random) -> Asked | None:
    absent = absent_companions(scene) or absent_kinds(scene)
    return kind_question(rng.choice(scene.kinds)), kind_question(rng.choice(absent))


def _count(scene: Scene, rng: random.Random) -> Asked | None:
    """Of what there is most of: most kinds are there once, and that "one" is right would soon be learned."""
    entity = max(scene.entities, key=lambda one: (one.count, rng.random()))
    other = rng.choice([count for count in COUNT_WEIGHTS if count != entity.count])
    return number_question(entity.kind, entity.count), number_question(entity.kind, other)


def _position(scene: Scene, rng: random.Random) -> Asked | None:
    """Which side of a second thing a first one is on; None where no two single things lie apart."""
    single = [entity for entity in scene.entities if entity.count == 1]
    found: list[tuple[Entity, str, str, Entity]] = [
        (one, side, opposite, other)
        for side, opposite, place in SIDES
        for one in single
        for other in single
        if place(one.cell) < place(other.cell)
    ]
    if not found:
        return None
    one, side, opposite, other = rng.choice(found)
    if rng.random() < 0.5:
        one, side, opposite, other = other, opposite, side, one
    return f"Is the {one.kind} {side} the {other.kind}?", f"Is the {one.kind} {opposite} the {other.kind}?"


def _color(scene: Scene, rng: random.Random) -> Asked | None:
    entity = rng.choice(scene.entities)
    assert entity.colour is not None  # these files are the drawn world's, where all things have one
    other = rng.choice([colour for colour in COLOURS if colour != entity.colour])
    return _of_colour(entity, entity.colour), _of_colour(entity, other)


def _of_colour(entity: Entity, colour: str) -> str:
    if entity.count == 1:
        return f"Is there {noun_phrase(Claim(entity.kind, colour))} in the image?"
    return f"Are there {colour} {plural(entity.kind)} in the image?"


TASKS: dict[str, Callable[[Scene, random.Random], Asked | None]] = {
    "existence": _existence,
    "count": _count,
    "position": _position,
    "color": _color,
}
