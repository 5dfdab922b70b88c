"""What one measuring process is told: as JSON on its command line."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.engine.sizes import SIZES, Size


@dataclass(frozen=True)
class Case:
    """size: the model and the work. checkpoint, pictures, scratch: folders. ends: whether sampled answers end by chance
    (False: all have new_tokens tokens)."""

    size: Size
    checkpoint: str
    pictures: str
    scratch: str
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    ends: bool = False
    gradient_checkpointing: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Case":
        given: dict[str, Any] = json.loads(text)
        size: dict[str, Any] = given.pop("size")
        return Case(Size(**size | {"answer": tuple(size["answer"])}), **given)

    def images(self, count: int) -> list[Path]:
        found = sorted(Path(self.pictures).glob("*.png"))
        if len(found) < count:
            raise ValueError(f"{self.pictures} holds {len(found)} pictures, expected {count}")
        return found[:count]


def size_named(name: str) -> Size:
    if name not in SIZES:
        raise SystemExit(f"--sizes {name}: expected one of {', '.join(SIZES)}")
    return SIZES[name]
