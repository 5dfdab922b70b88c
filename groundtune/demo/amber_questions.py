"""AMBER's question and annotation files for the world: descriptions, and yes/no on existence, state and number."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundtune.demo.claims import companions
from groundtune.demo.language import plural, surface_forms
from groundtune.demo.questions import kind_question, number_question
from groundtune.demo.world import COLOURS, COUNT_WEIGHTS, Entity, Scene

# About 60 descriptions and 400 yes/no questions: seconds with the tiny model. AMBER has 1,004 and 14,216.
MOST_PICTURES = 60
DESCRIBE = "Describe this image."
GENERATIVE = "generative"
EXISTENCE = "discriminative-hallucination"
STATE = "discriminative-attribute-state"
NUMBER = "discriminative-attribute-number"

Row = dict[str, Any]


def write_amber(folder: Path, names: Sequence[str], listed: Sequence[Scene], seed: str) -> int:
    """Queries by part and all together, annotations, relation and safe words; returns the number of queries.

    As in AMBER, ids run through all queries (descriptions, attributes, existence) and name the annotations, and the
    existence questions ask for the objects of `hallu` only, so that each of them is answered by no. Nothing in this
    world touches anything else: there are no relation questions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed}/amber")
    pictures = list(zip(names, listed, strict=True))[:MOST_PICTURES]
    parts = {
        "generative": [_described(name, scene) for name, scene in pictures],
        "discriminative-attribute": [row for name, scene in pictures for row in _attributes(name, scene, rng)],
        "discriminative-existence": [
            (_query(name, _in_this(kind_question(kind))), _said(EXISTENCE, False))
            for name, scene in pictures
            for kind in companions(scene)
        ],
    }
    number = 0
    annotations: list[Row] = []
    for rows in parts.values():
        for query, annotation in rows:
            number += 1
            query["id"] = annotation["id"] = number
            annotations.append(annotation)
    queries = {part: [query for query, _ in rows] for part, rows in parts.items()}
    discriminative = queries["discriminative-attribute"] + queries["discriminative-existence"]
    for part, asked in {
        **queries,
        "discriminative": discriminative,
        "all": queries["generative"] + discriminative,
    }.items():
        _write(folder / f"query_{part}.json", asked)
    _write(folder / "annotations.json", annotations)
    _write(folder / "relation.json", {kind: forms[1:] for kind, forms in surface_forms().items()})
    # A tagger may take a colour for a noun; none of them is an object.
    (folder / "safe_words.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    return number


def _described(name: str, scene: Scene) -> tuple[Row, Row]:
    annotation = {"id": 0, "type": GENERATIVE, "truth": list(scene.kinds), "hallu": companions(scene)}
    return _query(name, DESCRIBE), annotation


def _attributes(name: str, scene: Scene, rng: random.Random) -> list[tuple[Row, Row]]:
    """The colour of one thing and the number of another, each asked rightly and wrongly."""
    coloured, counted = rng.choice(scene.entities), rng.choice(scene.entities)
    assert coloured.colour is not None  # these files are the drawn world's, where all things have one
    other = rng.choice([colour for colour in COLOURS if colour != coloured.colour])
    wrong = rng.choice([count for count in COUNT_WEIGHTS if count != counted.count])
    return [
        (_query(name, _colour_question(coloured, coloured.colour)), _said(STATE, True)),
        (_query(name, _colour_question(coloured, other)), _said(STATE, False)),
        (_query(name, number_question(counted.kind, counted.count)), _said(NUMBER, True)),
        (_query(name, number_question(counted.kind, wrong)), _said(NUMBER, False)),
    ]


def _query(name: str, text: str) -> Row:
    return {"id": 0, "image": name, "query": text}


def _said(kind: str, truth: bool) -> Row:
    return {"id": 0, "type": kind, "truth": "yes" if truth else "no"}


def _colour_question(entity: Entity, colour: str) -> str:
    if entity.count == 1:
        return f"Is the {entity.kind} {colour} in this image?"
    return f"Are the {plural(entity.kind)} {colour} in this image?"


def _in_this(text: str) -> str:
    """AMBER's wording of POPE's question."""
    return text.replace("in the image", "in this image")


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
