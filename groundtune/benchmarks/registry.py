"""Benchmark names. A new benchmark: its class in its own file, and one line here."""

from collections.abc import Callable

from groundtune.benchmarks.question import Benchmark
from groundtune.benchmarks.suite.amber.benchmark import Amber
from groundtune.benchmarks.suite.chair import Chair
from groundtune.benchmarks.suite.instruction_following.benchmark import InstructionFollowing
from groundtune.benchmarks.suite.llava_bench import LlavaBench
from groundtune.benchmarks.suite.mme import Mme
from groundtune.benchmarks.suite.mmhal import MmHal
from groundtune.benchmarks.suite.object_halbench import ObjectHalbench
from groundtune.benchmarks.suite.pope import Pope
from groundtune.benchmarks.tools import NO_TOOLS, Tools
from groundtune.errors import SettingError

# family -> (its class, whether `family_<split>` is a name as well: no split, any split, or these)
BENCHMARKS: dict[str, tuple[Callable[[str, Tools], Benchmark], tuple[str, ...]]] = {
    "pope": (Pope, ("<split>",)),
    "chair": (Chair, ()),
    "object_halbench": (ObjectHalbench, ()),
    "amber": (Amber, ("generative", "discriminative")),
    "mme": (Mme, ()),
    "ift": (InstructionFollowing, ()),
    "mmhal": (MmHal, ()),
    "llava_bench": (LlavaBench, ("reference_first", "model_first")),
}


def benchmark_named(name: str, tools: Tools = NO_TOOLS) -> Benchmark:
    """The benchmark of a name (`pope`, `pope_random`, `chair`). Raises SettingError that lists the known names."""
    for family, (build, splits) in BENCHMARKS.items():
        split = name.removeprefix(family).removeprefix("_")
        if name == family or (name == f"{family}_{split}" and split and ("<split>" in splits or split in splits)):
            return build(name, tools)
    raise SettingError("benchmarks", name, f"one of {', '.join(known_names())}")


def known_names() -> list[str]:
    """Every name, `<split>` standing for one of the user's own."""
    return [
        f"{family}_{split}" if split else family
        for family, (_, splits) in BENCHMARKS.items()
        for split in ("", *splits)
    ]
