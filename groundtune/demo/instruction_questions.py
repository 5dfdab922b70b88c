"""Instructions whose following a program can check, asked of the world's pictures (IFT, ours)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROUNDS = 2  # each instruction is asked of so many pictures, one a picture

Constraint = dict[str, Any]


def _is(check: str, **arguments: Any) -> Constraint:
    return {"check": check, **arguments}


INSTRUCTIONS: tuple[tuple[str, tuple[Constraint, ...]], ...] = (
    ("Describe the image in exactly one sentence.", (_is("sentences", least=1, most=1),)),
    ("Describe the image in exactly three sentences.", (_is("sentences", least=3, most=3),)),
    ("Describe the image in at most ten words.", (_is("words", most=10),)),
    ("Describe the image in between 15 and 30 words.", (_is("words", least=15, most=30),)),
    (
        "Describe the image in two paragraphs with a blank line between them.",
        (_is("paragraphs", least=2, most=2),),
    ),
    ("Name one thing that is in the image. Answer with a single word.", (_is("one_word"),)),
    (
        "List what is in the image as bullet points. Begin each with a hyphen, on a line of its own.",
        (_is("bullets", least=1),),
    ),
    ("Say two things about the image in a numbered list.", (_is("numbered", least=2, most=2),)),
    ("What is in the image? Answer with a JSON list of strings and nothing else.", (_is("json"),)),
    (
        'Describe the image as a JSON object with the keys "objects" and "background" and nothing else.',
        (_is("json", keys=["objects", "background"]),),
    ),
    ("Describe the image without using a comma.", (_is("no_commas"),)),
    ("Describe the image in capital letters only.", (_is("upper_case"),)),
    ("Describe the image in small letters only.", (_is("lower_case"),)),
    ("Describe the image and put your whole answer in double quotation marks.", (_is("quoted"),)),
    (
        'Describe the image. Use the words "picture" and "background".',
        (_is("mentions", words=["picture", "background"]),),
    ),
    (
        'Say where things are in the image. Use at least one of the words "left", "right" and "middle".',
        (_is("mentions_any", words=["left", "right", "middle"]),),
    ),
    ('Describe the image without the words "there", "is" and "are".', (_is("avoids", words=["there", "is", "are"]),)),
    ('Describe the image. Begin your answer with "In this image".', (_is("starts_with", text="In this image"),)),
    ('Describe the image. End your answer with "That is all."', (_is("ends_with", text="That is all."),)),
    ("Describe the image in German.", (_is("language", language="de"),)),
    ("Describe the image in French.", (_is("language", language="fr"),)),
    ("Describe the image in English.", (_is("language", language="en"),)),
    (
        'Describe the image in English, in at most two sentences, and do not use the word "image".',
        (_is("language", language="en"), _is("sentences", most=2), _is("avoids", words=["image"])),
    ),
    (
        "List three things that you see as bullet points in small letters. Do not use a comma.",
        (_is("bullets", least=3, most=3), _is("lower_case"), _is("no_commas")),
    ),
)


def write_instructions(path: Path, names: Sequence[str]) -> int:
    """`instruction_following.jsonl`: an instruction a picture until each was asked `ROUNDS` times; returns how many."""
    rows = [
        {"id": f"ift-{number:03d}", "image": name, "instruction": text, "constraints": list(constraints)}
        for number, (name, (text, constraints)) in enumerate(zip(names, INSTRUCTIONS * ROUNDS, strict=False), start=1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return len(rows)
