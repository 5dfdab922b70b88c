"""Canary secrets: planted where real ones would be, and looked for wherever they must never arrive."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

CANARY = "canary-6f1d0c52-secret"
ENVIRONMENT = {
    name: f"{CANARY}-{name.lower()}"
    for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "GROUNDTUNE_JUDGE_API_KEY")
}
_BLOCK = 1 << 20


def in_text(text: str) -> list[str]:
    """The lines that hold the canary."""
    return [line for line in text.splitlines() if CANARY in line]


def in_folder(folder: Path) -> list[str]:
    """Files below the folder whose name or bytes hold the canary: artifacts, databases, packages."""
    found = []
    for file in sorted(folder.rglob("*")):
        if CANARY in file.name:
            found.append(str(file))
        elif file.is_file():
            with file.open("rb") as stream:
                if _holds(stream):
                    found.append(str(file))
    return found


def in_saved_image(archive: Path) -> tuple[list[str], int]:
    """What in a `docker save` holds the canary: configuration, history and every file of every layer, also one that a
    later layer deletes. Returns the places, and how many files were read."""
    with tarfile.open(archive) as image:
        return _in_tar(image, archive.name)


def _in_tar(archive: tarfile.TarFile, where: str) -> tuple[list[str], int]:
    found, count = [], 0
    for member in archive:
        place = f"{where}/{member.name}"
        if CANARY in member.name or CANARY in member.linkname:
            found.append(place)
        if not member.isfile():
            continue
        count += 1
        stream = archive.extractfile(member)
        assert stream
        if member.name.endswith("layer.tar") or member.name.startswith("blobs/sha256/"):
            try:
                with tarfile.open(fileobj=stream) as layer:
                    inside, files = _in_tar(layer, place)
                found, count = found + inside, count + files
                continue
            except tarfile.ReadError:
                stream.seek(0)  # a blob that is JSON
        if _holds(stream):
            found.append(place)
    return found, count


def _holds(stream: IO[bytes]) -> bool:
    tail = b""
    for block in _blocks(stream):
        if CANARY.encode() in tail + block:
            return True
        tail = block[-len(CANARY) :]
    return False


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def plant_files(folder: Path) -> None:
    """Credentials where people leave them in a checkout."""
    places = ("credentials.yaml", ".env", ".git/config", "tests/credentials.json", "runs/demo/mlflow.db",
              "images/light/.env", "images/wheels/credentials.yaml", "manifests/credentials.yaml",
              "groundtune/credentials.yaml", "groundtune/demo/.env", "groundtune/.aws/credentials")  # fmt: skip
    for place in places:
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a second name of a file of the checkout
        file.write_text(f"password: {CANARY}\n")
