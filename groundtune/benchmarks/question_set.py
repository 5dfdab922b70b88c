"""All questions of an evaluation, from the files that its settings name."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from groundtune import storage
from groundtune.benchmarks.question import Benchmark, Question
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.question_images import names_below, resolve_images
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.tools import tools_of
from groundtune.errors import SettingError
from groundtune.images import ImageStore
from groundtune.settings import EvaluationSettings


@dataclass(frozen=True)
class QuestionSet:
    """benchmarks: by name, loaded, so that they can parse. questions: benchmark after benchmark; inside one, the
    questions of an image follow each other. digests: "benchmark <name>" or "vocabulary" -> sha256 of what was read.
    attached: images that came inside question files."""

    benchmarks: dict[str, Benchmark]
    questions: list[Question]
    digests: dict[str, str]
    attached: dict[str, bytes] = field(default_factory=dict)

    @contextmanager
    def image_store(self, root: str) -> Iterator[ImageStore]:
        """The images below `root`, and while this lasts those that came inside question files."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in self.attached.items():
                (Path(folder) / name).write_bytes(data)
            yield ImageStore(root, attached=folder)


def load_questions(
    root: str, settings: EvaluationSettings, wanted: Callable[[Benchmark], bool] = lambda benchmark: True
) -> QuestionSet:
    """root: folder or s3 prefix of the question files. wanted: which of `settings.benchmarks` to read.

    Raises SettingError (no benchmark, unknown name, missing file, a place outside the root) and RecordError
    (file:line).
    """
    if not settings.benchmarks:
        raise SettingError("benchmarks", {}, "at least one benchmark and its question file")
    _check_places(root, settings)
    tools = tools_of(root, settings)
    named = {name: benchmark_named(name, tools) for name in settings.benchmarks}
    benchmarks = {name: benchmark for name, benchmark in named.items() if wanted(benchmark)}
    questions: list[Question] = []
    digests: dict[str, str] = {}
    attached: dict[str, bytes] = {}
    names = names_below(root) if benchmarks else None
    for name, benchmark in benchmarks.items():
        files = QuestionFiles(storage.join(root, settings.benchmarks[name]))
        loaded = benchmark.load(files)[: settings.limit or None]
        of_image: dict[str, list[Question]] = {}
        for question in resolve_images(root, loaded, _folders(settings, name, files.is_folder), names):
            of_image.setdefault(question.image, []).append(question)
        questions += [question for group in of_image.values() for question in group]
        digests[f"benchmark {name}"] = _digest_of(files)
        attached |= files.attached
    if tools.vocabulary and benchmarks:
        digests["vocabulary"] = hashlib.sha256(storage.read_bytes(tools.vocabulary)).hexdigest()
    return QuestionSet(benchmarks, questions, digests, attached)


def _folders(settings: EvaluationSettings, name: str, is_folder: bool) -> list[str]:
    """Where a benchmark's images are looked for: its own setting, then its folder or the folder of its file."""
    place = settings.benchmarks[name]
    beside = place if is_folder else str(PurePosixPath(place).parent)
    return [folder for folder in (settings.image_folders.get(name, ""), beside) if folder not in ("", ".")]


def _check_places(root: str, settings: EvaluationSettings) -> None:
    """The settings say "below the root": nothing else may be read through them, as with references to images."""
    places = {f"benchmarks.{name}": place for name, place in settings.benchmarks.items()}
    places |= {f"image_folders.{name}": place for name, place in settings.image_folders.items()}
    for name, place in (places | {"vocabulary": settings.vocabulary}).items():
        if storage.is_s3(place) or PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
            raise SettingError(name, place, f"a place below {root}, relative to it and without '..'")


def _digest_of(files: QuestionFiles) -> str:
    """A single file's own sha256, so that it can be compared with the published file's."""
    if not files.is_folder:
        return next(iter(files.digests.values()))
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.digests.items()))
    return hashlib.sha256(listing.encode()).hexdigest()
