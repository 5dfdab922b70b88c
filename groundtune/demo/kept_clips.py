"""CLIPs that a build keeps as soon as they are trained, so that a build that was stopped goes on from them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from groundtune.digests import digest_of
from groundtune.errors import SettingError

Clip = tuple[Any, Any]  # model and processor
MARK = "trained_on.digest"


class KeptClips:
    """The CLIPs of a folder, each in a folder of its own; without a folder nothing is kept.

    wanted: all that their weights follow from. found: the parts that were there when the build began.
    """

    def __init__(self, folder: Path | None, wanted: dict[str, Any]) -> None:
        self.folder = folder
        self.digest = digest_of(wanted)
        self.found = sorted(path.parent.name for path in folder.glob(f"[!.]*/{MARK}")) if folder else []
        for part in self.found:
            if folder and (folder / part / MARK).read_text(encoding="utf-8").strip() != self.digest:
                expected = "CLIPs of this world, seed and settings, or a folder without any"
                raise SettingError("clips", str(folder / part), expected)

    def get(self, part: str, train: Callable[[], Clip]) -> Clip:
        """The kept CLIP, or a trained one, which is kept."""
        if self.folder is None:
            return train()
        if part not in self.found:
            self._keep(part, *train())
        return _read(self.folder / part)

    def _keep(self, part: str, model: Any, processor: Any) -> None:
        """At full precision, so that a build that goes on ends with the weights of one that was not stopped."""
        assert self.folder is not None
        folder, unfinished = self.folder / part, self.folder / f".{part}.unfinished"
        for earlier in (folder, unfinished):
            shutil.rmtree(earlier, ignore_errors=True)
        model.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        (unfinished / MARK).write_text(self.digest + "\n", encoding="utf-8")
        unfinished.rename(folder)


def _read(folder: Path) -> Clip:
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    return model, AutoProcessor.from_pretrained(folder, local_files_only=True)
