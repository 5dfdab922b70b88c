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

    Raises SettingError for a name that is none, and for one that nothing below the root goes by.
    """
    files = storage.list_files(root)
    if not files:
        raise SettingError("benchmarks_root", root, "a folder or s3:// prefix with question files")
    found: dict[str, str] = {}
    for name in wanted:
        family = name if name in BENCHMARKS else next((f for f in BENCHMARKS if name.startswith(f"{f}_")), None)
        if family is None:
            raise SettingError("--benchmarks", name, f"names out of {', '.join(known_names())}")
        places = {n: place for n, place in _of_family(family, files).items() if name in (family, n)}
        if not places:
            raise SettingError("--benchmarks", name, f"files of {name} below {root}; or name them in a --config")
        found |= places if name == family else {name: places[name]}
    return found


def discover_vocabulary(root: str) -> str:
    """The file of objects that `chair` knows, "" when there is none."""
    return next((name for name in storage.list_files(root) if _VOCABULARY.fullmatch(name)), "")


def _of_family(family: str, files: Sequence[str]) -> dict[str, str]:
    pattern = re.compile(_PLACES[family], re.IGNORECASE)
    places: dict[str, str] = {}
    for file in files:
        match = pattern.fullmatch(file)
        if match:
            groups = match.groupdict()
            split = groups.get("split")
            folder = next((value for key, value in groups.items() if key.startswith("folder") and value), None)
            places.setdefault(f"{family}_{split.lower()}" if split else family, folder or file)
    return places
