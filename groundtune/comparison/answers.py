"""join_seed: all that the methods of one seed answered, with the model that they began from, as one artifact."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.comparison import check_protocol, check_questions
from groundtune.benchmarks.results import answers_by_benchmark
from groundtune.comparison.matching import Trained, answers_of_methods, trained_methods
from groundtune.errors import ArtifactError, SettingError
from groundtune.images import ATTACHED
from groundtune.progress import say
from groundtune.tracking.ledger import noted

STAGE = "join_seed"
BASE = ""  # the method of the model that all began from


@noted(STAGE)
def run(
    base_answers: str | Path,
    answers: Sequence[str | Path],
    adapters: Sequence[str | Path],
    methods: Sequence[Mapping[str, Any]],
    seed: int,
    out: str | Path,
) -> Artifact:
    """A `comparison` artifact: rows of the base model (method "") and of every method, in the order of `methods`.

    base_answers: the evaluation of the model without an adapter. answers, adapters: of the methods, in any order: an
    adapter says its method (results "method"), answers say their adapter (its digest). methods: as configured, each
    with its `name`; kept word for word in the manifest's results, beside what the adapter's manifest reports (pairs,
    steps, answer_tokens, seconds). Raises ArtifactError when an adapter or its answers are missing or doubled, or when
    two evaluations are not of the same questions, images, parser and decoding; SettingError for a name that is empty
    or comes twice.
    """
    named, seed = _named(methods), int(seed)  # KFP's structs make a float of it
    base = read_artifact(base_answers, "answers")
    if base.results["identity"]["adapter"]:
        raise ArtifactError(f"{base.path}: answers of an adapter, expected those of the model without one")
    trained = trained_methods(adapters, list(named))
    found = answers_of_methods([read_artifact(path, "answers") for path in answers], trained)
    asked = answers_by_benchmark(base.rows())
    for one in found.values():
        check_protocol(base, one)
        check_questions(base, asked, one, answers_by_benchmark(one.rows()))
    settings = {"seed": seed, "methods": list(named.values())}
    parents = {"base answers": base.digest}
    for name in named:
        parents |= {f"adapter {name}": trained[name].digest, f"answers {name}": found[name].digest}
    with noted(f"{STAGE} {seed}", fixed=True), tracking.stage(STAGE, settings=settings, inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "comparison", settings, parents)
        for index, (name, one) in enumerate({BASE: base, **found}.items()):
            rows = [{"method": name, **row} for row in one.rows()]
            writer.write_part(index, rows, one.rejected(), _attached(base, rows) if index == 0 else {})
        together = [base, *found.values()]
        artifact = writer.finish(
            sum(len(one) + len(one.rejected()) for one in together),
            results=lambda _: {
                "seed": seed,
                "methods": [_entry(named[name], trained[name], found[name]) for name in named],
                "identity": base.results["identity"],
                "evaluation": base.settings,
            },
        )
        say(STAGE, f"seed {seed}: {len(named):,} methods and the base model, {len(artifact):,} answers")
        log.output(artifact.digest)
        return artifact


def _named(methods: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = {}
    for method in methods:
        name = method.get("name")
        if not isinstance(name, str) or not name or name in named:
            raise SettingError("methods", name, "a name that no other method has")
        named[name] = dict(method)
    return named


def _entry(method: Mapping[str, Any], trained: Trained, answers: Artifact) -> dict[str, Any]:
    return {
        "name": trained.method,
        "method": dict(method),
        "training": trained.results,
        "adapter": trained.digest,
        "answers": answers.digest,
    }


def _attached(base: Artifact, rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Images that came inside question files: the same for all, so the base evaluation's do for every row."""
    names = sorted({row["image"].removeprefix(ATTACHED) for row in rows if row["image"].startswith(ATTACHED)})
    return {name: (base.files / name).read_bytes() for name in names}
