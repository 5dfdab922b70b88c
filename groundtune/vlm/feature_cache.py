"""Image features kept on disk between epochs, stages and runs: a frozen tower gives the same ones every time (ours).

One safetensors file an image, read through a memory map, so that what is used often stays in the page cache and costs
no memory of its own. Nothing here is needed: whatever goes wrong with a file or the disk, the tower is asked instead.
"""

import logging
import os
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from groundtune.storage.places import partial_name

log = logging.getLogger(__name__)
DAY = 86400.0  # seconds; the stages of one run follow each other within it
_HEADER = 512  # bytes, more than the header of a file of ours has
_LOOKS = 64  # a process writes so small a part of the limit before it counts what the others have written


@dataclass(frozen=True)
class KeptImage:
    """features: [N, D] after the projector, on the CPU. image_key, image_size: see Prefix."""

    features: Tensor
    image_key: str
    image_size: tuple[int, int]


class FeatureCache:
    """A folder of features of one tower and processor, which several processes may use at a time.

    What this run met first stays: images are met in turn, epoch after epoch, so making room for the newest would miss
    each time. Only what other towers left beside `folder`, and what was not used for a day, makes way.
    """

    def __init__(self, folder: Path, mebibytes: int):
        """mebibytes: limit of the folder and its neighbours together. What exceeds it goes: other towers' first, then
        what was used the longest time ago."""
        self.folder = folder
        self.limit = mebibytes * 2**20
        self._read: set[str] = set()  # keys whose content this process has checked
        self._keeps, self._said_full = True, False
        self._written = 0
        files = list(self._files())
        self._used = sum(file.size for file in files)
        self._leaving = deque(sorted(files, key=lambda file: (file.folder == folder.name, file.used)))
        self._make_room(0)
        yesterday = time.time() - DAY
        stale = (file for file in self._leaving if file.folder != folder.name or file.used < yesterday)
        self._leaving = deque(stale)

    def get(self, key: str) -> KeptImage | None:
        """What is kept of an image; None when that is nothing. key: hex digest of the image."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                found, told = file.get_tensor("features"), file.metadata() or {}
            kept = KeptImage(found, told["image_key"], (int(told["height"]), int(told["width"])))
            if key not in self._read:  # a page that was never written out reads as zeros
                if told["check"] != _check(kept):
                    raise ValueError("its bytes are not those that were written")
                self._read.add(key)
                with suppress(OSError):  # another user's file, or a folder that may only be read
                    os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            log.warning("%s: kept image features cannot be read (%s): computed again", path, error)
            self._read.discard(key)
            if not isinstance(error, OSError):
                with suppress(OSError):
                    path.unlink()
            return None
        return kept

    def put(self, key: str, kept: KeptImage) -> None:
        """Keep it if there is room."""
        features = kept.features.detach().cpu().contiguous()
        size = features.numel() * features.element_size() + _HEADER
        if not self._keeps or not self._make_room(size):
            return
        kept = KeptImage(features, kept.image_key, kept.image_size)
        height, width = kept.image_size
        told = {"image_key": kept.image_key, "height": str(height), "width": str(width), "check": _check(kept)}
        path = self._path(key)
        partial = partial_name(path)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(save({"features": features}, told))
            partial.replace(path)  # not synced: after a power cut the check finds what is missing
        except OSError as error:
            self._keeps = False
            log.warning("%s: no more image features are kept (%s)", self.folder, error.strerror or error)
            with suppress(OSError):
                partial.unlink()
            return
        self._read.add(key)
        self._used += size
        self._written += size

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _make_room(self, size: int) -> bool:
        """Delete what may go until `size` more bytes are within the limit; False when they never are."""
        if self._written > self.limit // _LOOKS:
            self._used, self._written = sum(file.size for file in self._files()), 0
        while self._leaving and self._used + size > self.limit:
            self._used -= self._leaving.popleft().leave()
        if self._used + size <= self.limit:
            return True
        if not self._said_full:
            self._said_full = True
            log.warning(
                "%s: the %d MiB of feature_cache are full: the features of further images are computed each time",
                self.folder.parent,
                self.limit >> 20,
            )
        return False

    def _files(self) -> Iterator["_File"]:
        """Everything below the folder of all towers; what a killed process was writing is deleted after a day."""
        for entry in _entries(self.folder.parent):
            for one in _entries(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else ():
                with suppress(FileNotFoundError):  # another process deleted it meanwhile
                    told = one.stat(follow_symlinks=False)
                    file = _File(Path(one.path), entry.name, told.st_size, told.st_mtime)
                    if one.name.startswith(".") and file.used < time.time() - DAY:
                        file.leave()
                    else:
                        yield file


@dataclass(frozen=True)
class _File:
    """folder: the tower's. size: bytes. used: seconds since the epoch."""

    path: Path
    folder: str
    size: int
    used: float

    def leave(self) -> int:
        """Delete it, unless it was used again since it was listed; returns the bytes that are gone."""
        try:
            if self.path.stat().st_mtime > self.used:
                return 0
            self.path.unlink()
        except FileNotFoundError:
            pass  # another process was faster
        except OSError:
            return 0  # of another user
        return self.size


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # not there, or of another user
        return []


def _check(kept: KeptImage) -> str:
    """CRC-32 of everything that a file says."""
    features = kept.features
    told = f"{features.dtype} {tuple(features.shape)} {kept.image_key} {kept.image_size}"
    return f"{zlib.crc32(told.encode(), zlib.crc32(features.reshape(-1).view(torch.uint8).numpy().data)):08x}"
