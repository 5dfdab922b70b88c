"""What a measurement ran on: without it a number means nothing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Any

import torch

from groundtune.artifact_writing import package_versions


def describe(command: str) -> dict[str, Any]:
    """Machine, versions, commit and the command that measured."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": package_versions(),
    }
