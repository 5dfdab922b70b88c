"""Which adapter is which method's, and which answers are whose: by digest, never by position."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.errors import ArtifactError
from groundtune.folder_artifacts import read_folder
from groundtune.vlm.checkpoints import checkpoint_digest


@dataclass(frozen=True)
class Trained:
    """A method's adapter. digest: of the artifact. weights: of the files that a model loads, by which answers name
    their adapter. results: what its training reported."""

    method: str
    path: Path
    digest: str
    weights: str
    results: dict[str, Any]


def trained_methods(adapters: Sequence[str | Path], names: Sequence[str]) -> dict[str, Trained]:
    """Method -> its adapter, in the order of `names`. Raises ArtifactError when one is missing, doubled, or of a
    method that nobody named."""
    found: dict[str, Trained] = {}
    for path in adapters:
        adapter = read_folder(path, "adapter")
        method = str(adapter.results.get("method", ""))
        if method not in names:
            raise ArtifactError(
                f"{adapter.path}: an adapter of method {method!r}, expected one of the comparison's: {', '.join(names)}"
            )
        if method in found:
            raise ArtifactError(f"{adapter.path} and {found[method].path} are both adapters of method {method!r}")
        found[method] = Trained(method, adapter.path, adapter.digest, checkpoint_digest(path), adapter.results)
    if missing := [name for name in names if name not in found]:
        raise ArtifactError(f"no adapter of method {', '.join(missing)}: train_method did not hand it on")
    return {name: found[name] for name in names}


def answers_of_methods(answers: Sequence[Artifact], trained: dict[str, Trained]) -> dict[str, Artifact]:
    """Method -> its evaluation. Two methods that came to the very same weights (a setting that changed no pair) are
    answered for alike: either evaluation is either's. Raises ArtifactError when one is missing, doubled or nobody's."""
    by_weights: dict[str, list[Artifact]] = {}
    for one in answers:
        by_weights.setdefault(str(one.results["identity"]["adapter"]), []).append(one)
    found: dict[str, Artifact] = {}
    for method, adapter in trained.items():
        waiting = by_weights.get(adapter.weights, [])
        if not waiting:
            raise ArtifactError(f"no answers of method {method!r}: none name its adapter {adapter.path}")
        found[method] = waiting.pop(0)
    if left := [str(one.path) for waiting in by_weights.values() for one in waiting]:
        raise ArtifactError(f"answers that came twice, or of no adapter of this comparison: {', '.join(left)}")
    return found
