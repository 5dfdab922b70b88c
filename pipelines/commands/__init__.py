"""The commands of `python -m pipelines`, one a module.

`add(subparsers)` describes a command's options, `run(given)` does it and returns the exit status. kfp and the pipelines
are imported inside `run`: `--help` answers at once.
"""

from typing import Any, Protocol

from pipelines.commands import compile, export, history, lock, promote, rollback, run, schedule, submit


class Command(Protocol):
    """What a module of this package offers."""

    def add(self, subparsers: Any) -> None: ...

    def run(self, given: Any) -> int: ...


COMMANDS: dict[str, Command] = {
    "run": run,
    "compile": compile,
    "lock": lock,
    "submit": submit,
    "schedule": schedule,
    "promote": promote,
    "rollback": rollback,
    "history": history,
    "export": export,
}
