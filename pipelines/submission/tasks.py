"""What the API tells about the tasks of a run, in the names of our stages."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# They fail because of a setting; again would not help.
CHECKS = ("preflight", "check-gpu", "plan-evaluation", "plan-methods", "plan-pools")
_NOTHING = "no reason in the API's reply: read the task's log in the UI"  # kubeflow/pipelines#14007
_DRIVER = "-driver"  # the pod that decides about a task before it starts: inputs, cache
_REPEATED = re.compile(r"\(\d+.*\)$")  # Argo numbers iterations and retries


def stage_names(package: Path) -> dict[str, str]:
    """Task -> the name that the UI shows, for every task with a container; loops and conditions have none."""
    specification = next(yaml.safe_load_all(package.read_text("utf-8")))
    components = specification["components"]
    dags = [part["dag"] for part in [specification["root"], *components.values()] if "dag" in part]
    return {
        name: task["taskInfo"]["name"]
        for dag in dags
        for name, task in dag["tasks"].items()
        if "executorLabel" in components[task["componentRef"]["name"]]
    }


def progress_line(run: Any, stages: Mapping[str, str]) -> str:
    """The run's state, how many stages are done, and which of them run now."""
    states = [(_stage_of(task, stages), task.state) for task in _tasks(run)]
    done = sum(bool(name) and state in ("SUCCEEDED", "SKIPPED") for name, state in states)
    now = Counter(name for name, state in states if name and state == "RUNNING")
    running = ", ".join(f"{name} x{times}" if times > 1 else name for name, times in sorted(now.items()))
    return f"{(run.state or 'PENDING').lower():<10} {done} tasks done{f'; now {running}' if running else ''}"


def failures(run: Any, stages: Mapping[str, str]) -> dict[str, str]:
    """Failed stage -> its error, as far as the API knows it. Without a stage, what surrounds it is named."""
    failed = [task for task in _tasks(run) if task.state == "FAILED"]
    found: dict[str, str] = {}
    for task in failed:
        name = _stage_of(task, stages)
        if name and not found.get(name):
            found[name] = _error(task)
    if not found:
        found = {task.display_name: _error(task) for task in failed}
    return {name: words or _NOTHING for name, words in found.items()}


def _stage_of(task: Any, stages: Mapping[str, str]) -> str:
    name = _REPEATED.sub("", task.display_name or "")
    if task.state == "FAILED":
        name = name.removesuffix(_DRIVER)
    return stages.get(name, name if name in stages.values() else "")


def _tasks(run: Any) -> list[Any]:
    return (run.run_details.task_details if run.run_details else None) or []


def _error(task: Any) -> str:
    return " ".join((task.error.message or "").split()) if task.error else ""
