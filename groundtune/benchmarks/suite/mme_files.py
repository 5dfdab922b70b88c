"""MME's question files in both published layouts: a file a task, or a folder a task with a file an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.errors import RecordError, SettingError

PERCEPTION: tuple[str, ...] = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION: tuple[str, ...] = (
    "commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning",
)  # fmt: skip
TASKS = PERCEPTION + COGNITION
QUESTIONS, IMAGES = "questions_answers_YN", "images"  # subfolders of some of the published task folders
EXTENSIONS = (".jpg", ".png", ".jpeg")
QUESTIONS_AN_IMAGE = 2


@dataclass(frozen=True)
class Asked:
    """One question. number: 1 or 2 of its image. image: a reference, below the folder of the question files if the
    picture is there."""

    task: str
    name: str
    image: str
    number: int
    text: str
    truth: str


def read_asked(files: QuestionFiles) -> list[Asked]:
    """All questions of the tasks that are there, task after task in MME's order.

    files: a folder that holds `<task>.txt` or `<task>/`, or one `<task>.txt`. Raises SettingError (no task, or one in
    both layouts) and RecordError (file:line; an image with other than two questions).
    """
    found = [one for task in TASKS for one in _task(files, task)]
    if not found:
        expected = f"a folder with questions of at least one of MME's tasks ({', '.join(TASKS)})"
        raise SettingError("benchmarks", files.uri, f"{expected}: <task>.txt, or <task>/ with a .txt for every image")
    return found


def _task(files: QuestionFiles, task: str) -> list[Asked]:
    table = f"{task}.txt"
    alone = not files.is_folder and files.uri.rpartition("/")[2] == table
    each = [name for name in files.names() if _is_questions_of(name, task)]
    if files.has(table) and each:
        raise SettingError("benchmarks", files.uri, f"{table} or {each[0]}, not both: they would ask {task} twice")
    if files.has(table) or alone:
        return list(_table(files, "" if alone else table, task))
    return [one for name in each for one in _one_image(files, name, task)]


def _is_questions_of(name: str, task: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.suffix == ".txt"
        and not path.name.startswith(".")
        and path.parent in (PurePosixPath(task), PurePosixPath(task, QUESTIONS))
    )


def _table(files: QuestionFiles, name: str, task: str) -> Iterator[Asked]:
    """Lines of image, question, truth and perhaps an answer, which is not read. The two questions of an image follow
    each other."""
    counts: dict[str, int] = {}
    last = ""
    for place, line in _lines(files, name):
        fields = line.split("\t")
        image = fields[0].strip()
        record = f"{task}/{image}"
        if len(fields) not in (3, 4) or not image:
            raise RecordError(
                record, "line", f"has {len(fields)} fields, expected image, question and truth parted by tabs", place
            )
        if image in counts and image != last:
            raise RecordError(record, "image", "was asked about before; its questions follow each other", place)
        last = image
        counts[image] = counts.get(image, 0) + 1
        reference = _found(files, task, (image,)) or image
        yield Asked(task, image, reference, counts[image], *_question(record, fields[1], fields[2], place))
    for image, count in counts.items():
        _check_count(f"{task}/{image}", count, files.place(name))


def _one_image(files: QuestionFiles, name: str, task: str) -> list[Asked]:
    """`<image>.txt`: two lines of question and truth. The image has the same name and lies in the task's folder."""
    stem = PurePosixPath(name).stem
    record = f"{task}/{stem}"
    # A picture that is nowhere keeps a name in its folder, so that the error that tells of it can be acted on.
    reference = _found(files, task, [stem + extension for extension in EXTENSIONS]) or f"{task}/{stem}{EXTENSIONS[0]}"
    asked: list[Asked] = []
    for place, line in _lines(files, name):
        fields = line.split("\t")
        if len(fields) != 2:
            problem = f"has {len(fields)} fields, expected question and truth parted by a tab"
            raise RecordError(record, "line", problem, place)
        asked.append(Asked(task, stem, reference, len(asked) + 1, *_question(record, fields[0], fields[1], place)))
    _check_count(record, len(asked), files.place(name))
    return asked


def _lines(files: QuestionFiles, name: str) -> Iterator[tuple[str, str]]:
    """(place, line) of every line that holds something."""
    for number, line in enumerate(files.text(name).split("\n"), 1):
        if line.strip():
            yield files.place(name, number), line.rstrip("\r")


def _question(record: str, text: str, truth: str, place: str) -> tuple[str, str]:
    said = truth.strip().lower()
    if said not in ("yes", "no"):
        raise RecordError(record, "truth", f"is {truth.strip()!r}, expected Yes or No", place)
    if not text.strip():
        raise RecordError(record, "question", "is empty", place)
    return text.strip(), said


def _found(files: QuestionFiles, task: str, names: Sequence[str]) -> str:
    """The first of these pictures that lies in the task's folder, or ""."""
    places = (f"{task}/{folder}{name}" for folder in (f"{IMAGES}/", "") for name in names)
    return next((place for place in places if files.has(place)), "")


def _check_count(record: str, count: int, place: str) -> None:
    if count != QUESTIONS_AN_IMAGE:
        problem = f"has {count} questions, expected {QUESTIONS_AN_IMAGE}: acc+ counts images with both right"
        raise RecordError(record, "questions", problem, place)
