"""GPU profiles: batch and token budgets for a model size on a GPU, as a layer of settings below the user's own.

`python -m pipelines.gpu_profiles` writes gpu_profiles.yaml from the memory estimates of `groundtune.vlm.memory`.
"""

import functools
from pathlib import Path
from typing import Any

import yaml

from groundtune.errors import SettingError
from groundtune.vlm.memory import GIB, LLAVA_7B, LLAVA_13B, budgets

FILE = Path(__file__).with_name("gpu_profiles.yaml")
SHAPES = {"7b": LLAVA_7B, "13b": LLAVA_13B}
# Memory that CUDA reports, in GiB, and the label that NVIDIA's feature discovery gives the node.
GPUS = {
    "l4": (22.0, "NVIDIA-L4"),
    "a100-40": (39.4, "NVIDIA-A100-SXM4-40GB"),
    "a100-80": (79.1, "NVIDIA-A100-SXM4-80GB"),
    "h100": (79.1, "NVIDIA-H100-80GB-HBM3"),
    "h200": (139.8, "NVIDIA-H200"),
}
HEADER = """\
# Budgets for LLaVA of 7B and 13B parameters on common GPUs: written by `python -m pipelines.gpu_profiles`.
# They change speed and memory, never a result. Derived from shapes (groundtune/vlm/memory.py), not measured on the GPU.
# gpu_profile names one of them, in a configuration file, at `run`, `submit` and `compile`.
"""


@functools.cache
def table() -> dict[str, dict[str, Any]]:
    """Profile name ("a100-80-7b") -> settings: sections, and the node selector of the GPU."""
    profiles: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())
    return profiles


def settings_of(profile: str, sections: tuple[str, ...]) -> dict[str, Any]:
    """What the profile sets of these sections, with its node selector. Raises SettingError for an unknown one."""
    if profile not in table():
        raise SettingError("gpu_profile", profile, f"one of {', '.join(table())}")
    return {name: dict(values) for name, values in table()[profile].items() if name in (*sections, "node_selector")}


def computed() -> dict[str, dict[str, Any]]:
    """The table as the memory estimates give it; a model that does not fit a GPU has no profile there."""
    profiles = {}
    for gpu, (memory, product) in GPUS.items():
        for size, shape in SHAPES.items():
            if found := budgets(shape, int(memory * GIB)):
                profiles[f"{gpu}-{size}"] = {"node_selector": {"nvidia.com/gpu.product": product}, **found}
    return profiles


def text() -> str:
    """The file's content."""
    return HEADER + yaml.safe_dump(computed(), sort_keys=False)


if __name__ == "__main__":
    FILE.write_text(text())
