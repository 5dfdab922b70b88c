"""Benchmark names. A new benchmark: its class in its own file, and one line here."""

from collections.abc import Callable

from groundtune.benchmarks.chair import Chair
from groundtune.benchmarks.pope import Pope
from groundtune.benchmarks.question import Benchmark
from groundtune.errors import SettingError

# family -> (builds it from its name and the vocabulary's URI, whether `family_<split>` is a name as well)
BENCHMARKS: dict[str, tuple[Callable[[str, str], Benchmark], bool]] = {
    "pope": (lambda name, vocabulary: Pope(name), True),
    "chair": (Chair, False),
}


def benchmark_named(name: str, vocabulary: str = "") -> Benchmark:
    """The benchmark of a name (`pope`, `pope_random`, `chair`). Raises SettingError that lists the known
    names.
    """
    family, separator, split = name.partition("_")
    build, has_splits = BENCHMARKS.get(family, (None, False))
    if build is None or (separator and not (has_splits and split)):
        known = [known for known, (_, splits) in BENCHMARKS.items() for known in _names(known, splits)]
        raise SettingError("benchmarks", name, f"one of {', '.join(known)}")
    return build(name, vocabulary)


def _names(family: str, has_splits: bool) -> list[str]:
    return [family, f"{family}_<split>"] if has_splits else [family]
