"""images.lock: for every role of images/ the reference, by digest, of the image that a compiled package names.

    images:
      light: registry.example/groundtune/light-python@sha256:...
      stage: registry.example/groundtune/stage-python@sha256:...

A tag moves: the same package would run other code tomorrow, and KFP's cache, whose key holds the reference, would take
yesterday's outputs for those of the new image. So only digests are taken, unless tags are asked for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.images import ROLES
from groundtune.errors import SettingError

_TOP = "# Written by `python -m pipelines lock`. For `python -m pipelines compile --images`.\n"
_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_NAME}(?:/{_NAME})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class ImageLock:
    """references: role -> reference; file: where they stand, for errors."""

    references: Mapping[str, str]
    file: str

    def instead_of(self, tag: str, pipeline: str) -> str:
        """The reference that takes the place of a component's tag. Raises SettingError when its role is missing."""
        role = next(role for role, reference in ROLES.items() if reference == tag)
        if role not in self.references:
            raise SettingError(f"images.{role}", "missing", f"a reference: {pipeline} has tasks in it", self.file)
        return self.references[role]


def reference_of(role: str, given: object, where: str, allow_tags: bool = False) -> str:
    """The reference as a package names it: name@digest, without the tag that a digest makes idle.

    A reference without digest is taken with `allow_tags` only. Raises SettingError that names role and file.
    """
    found = _REFERENCE.fullmatch(given) if isinstance(given, str) else None
    if not found:
        raise SettingError(f"images.{role}", given, "an image reference, name@sha256:<64 hexadecimal digits>", where)
    if found["digest"]:
        return f"{found['name']}@{found['digest']}"
    if not allow_tags:
        moving = "`latest` moves" if found["tag"] in (None, "latest") else "a tag can move"
        raise SettingError(
            f"images.{role}", given, f"a reference by digest, name@sha256:...: {moving} (--allow-tags takes it)", where
        )
    return str(given)


def read(file: Path, allow_tags: bool = False) -> ImageLock:
    """The lock in that file. Raises SettingError that names the file, and the role where one is wrong."""
    try:
        found = yaml.safe_load(_text(file, "--images"))
    except yaml.YAMLError as error:
        raise SettingError("--images", str(file), f"YAML ({error})") from error
    listed = found.get("images") if isinstance(found, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise SettingError("images", listed, f"a mapping of role to reference ({', '.join(ROLES)})", str(file))
    return ImageLock(_checked(listed, str(file), allow_tags), str(file))


def read_build(file: Path, allow_tags: bool = False) -> dict[str, str]:
    """Role -> reference, from what `skaffold build --file-output FILE` wrote. Raises SettingError like `read`."""
    try:
        builds = json.loads(_text(file, "--from"))["builds"]
        built = {str(one["imageName"]): one["tag"] for one in builds}
    except (ValueError, KeyError, TypeError) as error:
        expected = 'what `skaffold build --file-output` writes: {"builds": [{"imageName": ..., "tag": ...}]}'
        raise SettingError("--from", str(file), expected) from error
    roles = {reference.rpartition(":")[0]: role for role, reference in ROLES.items()}
    for name in built:
        if name not in roles:
            raise SettingError("imageName", name, f"one of {', '.join(roles)}", str(file))
    return _checked({roles[name]: tag for name, tag in built.items()}, str(file), allow_tags)


def write(file: Path, references: Mapping[str, str]) -> None:
    """Write the lock. The same references make the same bytes."""
    file.write_text(_TOP + yaml.safe_dump({"images": dict(references)}, sort_keys=True), "utf-8")


def _checked(listed: Mapping[Any, Any], where: str, allow_tags: bool) -> dict[str, str]:
    for role in listed:
        if role not in ROLES:
            raise SettingError(f"images.{role}", listed[role], f"one of the roles {', '.join(ROLES)}", where)
    return {role: reference_of(role, given, where, allow_tags) for role, given in listed.items()}


def _text(file: Path, option: str) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(option, str(file), f"a readable text file ({error})") from error
