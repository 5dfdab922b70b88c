"""Image references: resolved below the data root or in S3, checked before they are decoded, pinned by sha256."""

import base64
import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from groundtune import storage
from groundtune.errors import GroundtuneError, RecordError, StorageError, StoreUnavailable

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked, with a better message, before anything is decoded

ATTACHED = "attached:"


@dataclass(frozen=True)
class ImageStore:
    """Reads images by reference. root: the data root, a folder or s3:// prefix that relative references start from.

    attached: folder of the files that came with the artifact whose rows are read (Artifact.files), for references
    `attached:<name>`.
    """

    root: str
    max_pixels: int = 64_000_000
    allow_http: bool = False
    attached: str | Path = ""

    def read(self, record_id: str, reference: str, place: str = "") -> bytes:
        """The file's bytes. Raises RecordError: outside the root, http(s) not allowed, missing or unreadable;
        StoreUnavailable when its store is away."""

        def refuse(problem: str) -> RecordError:
            return RecordError(record_id, "image", problem, place)

        if not reference:
            raise refuse("no image; expected a path below the data root or an s3:// URI")
        if reference.startswith(ATTACHED):
            if not self.attached:
                raise refuse(f'"{reference}": the artifact has no attached files')
            inner = ImageStore(str(self.attached), max_pixels=self.max_pixels)
            return inner.read(record_id, reference.removeprefix(ATTACHED), place)
        if reference.startswith(("http://", "https://")):
            if not self.allow_http:
                raise refuse(f'"{reference}" is an http(s) reference, which is off (allow_http_images)')
            return _read_http(reference, refuse)
        try:
            if storage.is_s3(reference):
                return storage.read_bytes(reference)
            if storage.is_s3(self.root):
                if ".." in Path(reference).parts or reference.startswith("/"):
                    raise refuse(f'"{reference}" leaves the data root {self.root}')
                return storage.read_bytes(storage.join(self.root, reference))
        except StoreUnavailable:
            raise  # no image is to blame: the run stops, and goes on later
        except StorageError as error:
            raise refuse(f'"{reference}": {error}') from error
        shown = reference if len(reference) <= 200 else f"{reference[:200]}..."
        if reference.startswith("data:"):
            raise refuse(f'"{shown}": data: URIs are not read; embed the bytes in Parquet, or write a file')
        root = Path(self.root).resolve()
        try:
            path = (root / reference).resolve()  # follows links: a link out of the root is outside as well
            if not path.is_relative_to(root):
                raise refuse(f'"{shown}" leaves the data root {root}')
            if not path.is_file():
                raise refuse(f'"{shown}" does not exist below the data root {root}')
            return path.read_bytes()
        except (OSError, ValueError) as error:  # also names that no file system takes
            raise refuse(f'"{shown}" cannot be read: {getattr(error, "strerror", None) or error}') from error

    def file(self, record_id: str, reference: str, sha256: str = "", place: str = "") -> "ImageFile":
        """The file, not decoded yet; with `sha256` given, exactly that one. Raises RecordError as `read` does, and when
        it changed since preparation."""
        data = self.read(record_id, reference, place)
        found = hashlib.sha256(data).hexdigest()
        if sha256 and found != sha256:
            raise RecordError(record_id, "image", f'"{reference}" changed since its row was written', place)
        return ImageFile(data, found, record_id, reference, self.max_pixels, place)

    def open(self, record_id: str, reference: str, sha256: str = "", place: str = "") -> Image.Image:
        """The decoded RGB image; with `sha256` given, exactly that file.

        Raises RecordError: not an image, truncated, more than `max_pixels`, or changed since preparation.
        """
        return self.file(record_id, reference, sha256, place).decode()


@dataclass(frozen=True)
class ImageFile:
    """The bytes of one image file and their sha256 (hex). record_id, reference, place: for whom an error is."""

    data: bytes = field(repr=False)
    sha256: str
    record_id: str
    reference: str
    max_pixels: int
    place: str = ""

    def decode(self) -> Image.Image:
        """The RGB image. Raises RecordError: not an image, truncated, or more than `max_pixels`."""
        return decode(self.data, self.record_id, self.reference, self.max_pixels, self.place)


def decode(data: bytes, record_id: str, reference: str, max_pixels: int, place: str = "") -> Image.Image:
    """bytes -> RGB image, with the pixel limit checked on the header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise RecordError(
                    record_id,
                    "image",
                    f'"{reference}" has {pixels / 1e6:.4g} Mpx, the limit is {max_pixels / 1e6:.4g} Mpx '
                    "(max_image_pixels)",
                    place,
                )
            return image.convert("RGB")
    except GroundtuneError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise RecordError(record_id, "image", f'"{reference}" is not a readable image: {error}', place) from error


def data_uri(image: Image.Image) -> str:
    """PNG for drawings, JPEG for photographs: whichever is smaller; a little picture is never worth a JPEG's blur."""
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=82, optimize=True)
    small = len(png.getvalue()) <= max(len(jpeg.getvalue()) * 1.5, 8_000)
    kind, data = ("png", png.getvalue()) if small else ("jpeg", jpeg.getvalue())
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _read_http(reference: str, refuse: Callable[[str], RecordError]) -> bytes:
    import requests

    try:
        answer = requests.get(reference, timeout=20)
        answer.raise_for_status()
        return answer.content
    except requests.RequestException as error:
        raise refuse(f'"{reference}" cannot be fetched: {error}') from error
