"""Where published benchmarks lie below a folder: by the names under which they are distributed (ours)."""

import re
from collections.abc import Sequence

from groundtune import storage
from groundtune.benchmarks.registry import BENCHMARKS, known_names
from groundtune.errors import SettingError

# family -> what a file of it is called, relative to the root; `folder` is what the benchmark reads, else the file.
_PLACES: dict[str, str] = {
    "pope": r"(?:[^/]*pope[^/]*/)?(?:[a-z]+_)?pope(?:_(?P<split>\w+))?\.jsonl?",
    "chair": r"(?:chair/)?chair\.jsonl",
    "mme": r"(?P<folder>(?:.*/)?mme[^/]*)/[^/]+\.txt|(?P<folder_>(?:.*/)?mme[^/]*)/.+/[^/]+\.txt",
    "amber": r"(?P<folder>(?:.*/)?amber[^/]*(?:/data)?)/annotations\.json",
    "object_halbench": r"(?P<folder>(?:.*/)?obj[^/]*halbench[^/]*)/[^/]+\.jsonl",
    "mmhal": r"(?P<folder>(?:.*/)?mmhal[^/]*)/response_template\.json",
    "llava_bench": r"(?P<folder>(?:.*/)?llava[-_]bench[^/]*)/questions\.jsonl",
    "ift": r"(?:ift/|instruction_following/)?instruction_following\.jsonl",
}
_VOCABULARY = re.compile(r"(?:chair/)?(?:vocabulary\.json|synonyms[^/]*\.txt)", re.IGNORECASE)


def discover(root: str, wanted: Sequence[str]) -> dict[str, str]:
    """Benchmark name -> its file or folder below `root`, for names or whole families ("pope": every split).

    A fixed split of a family (`amber_generative`) lies where the family does. Raises SettingError for a name that is
    none, for one that nothing below the root goes by, and for one that two places go by.
    """
    files = storage.list_files(root)
    if not files:
        raise SettingError("benchmarks_root", root, "a folder or s3:// prefix with question files")
    found: dict[str, str] = {}
    for name in wanted:
        family, split = _family_and_split(name)
        of_family = _of_family(family, files)
        if split and split in BENCHMARKS[family][1]:
            of_family = {name: of_family.get(family, [])}
        places = {n: there for n, there in of_family.items() if there and name in (family, n)}
        if not places:
            raise SettingError("--benchmarks", name, f"files of {name} below {root}; or name them in a --config")
        for one, there in places.items():
            if len(there) > 1:
                expected = f"one place of {one} below {root}, not {' and '.join(there)}; or name one in a --config"
                raise SettingError("--benchmarks", name, expected)
            found[one] = there[0]
    return found


def discover_vocabulary(root: str) -> str:
    """The file of objects that `chair` knows, "" when there is none."""
    return next((name for name in storage.list_files(root) if _VOCABULARY.fullmatch(name)), "")


def _family_and_split(name: str) -> tuple[str, str]:
    """ "pope_random" -> ("pope", "random"), "pope" -> ("pope", ""). Raises SettingError for a name that is none."""
    for family, (_, splits) in BENCHMARKS.items():
        split = name.removeprefix(f"{family}_")
        if name == family:
            return family, ""
        if split != name and split and ("<split>" in splits or split in splits):
            return family, split
    raise SettingError("--benchmarks", name, f"names out of {', '.join(known_names())}")


def _of_family(family: str, files: Sequence[str]) -> dict[str, list[str]]:
    """Benchmark name -> its places; a folder inside or around the first one found is no second place."""
    pattern = re.compile(_PLACES[family], re.IGNORECASE)
    places: dict[str, list[str]] = {}
    for file in files:
        match = pattern.fullmatch(file)
        if match:
            groups = match.groupdict()
            split = groups.get("split")
            folder = next((value for key, value in groups.items() if key.startswith("folder") and value), None)
            there, place = places.setdefault(f"{family}_{split.lower()}" if split else family, []), folder or file
            if not any(f"{place}/".startswith(f"{one}/") or f"{one}/".startswith(f"{place}/") for one in there):
                there.append(place)
    return places
