"""prepare_prompts: from a user's file of prompts or preferences to checked rows, before any expensive work.

Every row of the file comes out as a prompt or as a rejected row with a reason: nothing is lost.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row
from groundtune.digests import digest_file
from groundtune.errors import RecordError, SettingError
from groundtune.images import ATTACHED, ImageStore, decode
from groundtune.progress import Progress, say
from groundtune.prompts.formats import ReadRow, count_rows, read_rows
from groundtune.prompts.preferences import checked_preference, suffix_of
from groundtune.settings import PrepareSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.checkpoints import checkpoint_digest
from groundtune.vlm.loader import PrefixChecker, load_processor
from groundtune.vlm.prompt import placeholder_check

STAGE = "prepare_prompts"
_READERS = 8  # image reads wait for disks and buckets, not for the processor


@noted(STAGE)
def run(
    prompts: str,
    images_root: str,
    model: str,
    out: str | Path,
    settings: PrepareSettings | Mapping[str, Any],
) -> Artifact:
    """Check every prompt against its image and the model's processor.

    prompts: file or s3:// URI. images_root: folder or prefix of relative image references; "" = where the prompts are.
    model: checkpoint folder or prefix, whose processor must give as many placeholders as the model has features.
    Raises SettingError, CheckpointError, StorageError for what is wrong as a whole, TooManyRejected for too many rows.
    """
    settings = PrepareSettings.of(settings, STAGE)
    file = storage.local_file(prompts)
    checkpoint = storage.local_folder(model)
    reader = load_processor(checkpoint)
    root = images_root or (
        prompts.rpartition("/")[0] if storage.is_s3(prompts) else str(Path(prompts).resolve().parent)
    )
    store = ImageStore(root, settings.max_image_pixels, settings.allow_http_images)
    about = count_rows(file)
    if not about:
        raise SettingError("prompts", prompts, "a file with at least one prompt")
    rows = itertools.islice(read_rows(file), settings.limit or None)
    parents = {"prompts": digest_file(file), "model": checkpoint_digest(checkpoint)}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "prompts", settings.to_mapping(), parents)
        total = _write_parts(writer, rows, min(about, settings.limit or about), store, reader, settings)
        artifact = writer.finish(total, max_rejected_share=settings.max_rejected_share, results=_results)
        preferences, rejected = artifact.results["preferences"], artifact.manifest["rejected"]
        with_answers = f", {preferences:,} with a preference" if preferences else ""
        say(STAGE, f"{total:,} rows -> {len(artifact):,} prompts{with_answers} ({rejected:,} rejected)")
        log.metrics({"rows_in": total, "prompts": len(artifact), "rejected": rejected, **artifact.results})
        log.tag("output.digest", artifact.digest)
        return artifact


def shard_list(prompts: Artifact, num_shards: int) -> list[str]:
    """["0/n", "1/n", ...] with no empty shard: what the parallel part of a pipeline loops over."""
    if num_shards < 1:
        raise SettingError("num_shards", num_shards, "at least 1")
    count = max(1, min(num_shards, len(prompts)))
    return [f"{index}/{count}" for index in range(count)]


def _write_parts(
    writer: ArtifactWriter,
    rows: Iterator[ReadRow],
    about: int,
    store: ImageStore,
    reader: PrefixChecker,
    settings: PrepareSettings,
) -> int:
    """Returns how many rows there were. Duplicate ids are judged over the whole file, the first one wins; so parts are
    not resumed, only rewritten. about: for the progress line."""
    first_place: dict[str, str] = {}
    progress = Progress(STAGE, about, "rows")
    with ThreadPoolExecutor(_READERS) as pool:
        for index in itertools.count():
            part = list(itertools.islice(rows, settings.rows_per_part))
            if not part:
                break
            judged = list(pool.map(lambda row: _judge(row, store, reader, settings), part))
            good: list[Row] = []
            bad: list[Row] = []
            files: dict[str, bytes] = {}
            for read, outcome in zip(part, judged, strict=True):
                if isinstance(outcome, RecordError):
                    bad.append(reject(outcome.record_id, outcome.field, str(outcome)))
                elif outcome["id"] in first_place:
                    error = RecordError(outcome["id"], "id", f"also at {first_place[outcome['id']]}", read.place)
                    bad.append(reject(error.record_id, "duplicate_id", str(error)))
                else:
                    first_place[outcome["id"]] = read.place
                    good.append(outcome)
                    if isinstance(content := read.fields["image"], bytes):
                        files[outcome["image"].removeprefix(ATTACHED)] = content
            writer.write_part(index, good, bad, files)
            progress.add(len(part))
    return progress.done


def _judge(read: ReadRow, store: ImageStore, reader: PrefixChecker, settings: PrepareSettings) -> Row | RecordError:
    if read.error:
        return read.error
    try:
        return _prompt(read, store, reader, settings)
    except RecordError as error:
        return error


def _prompt(read: ReadRow, store: ImageStore, reader: PrefixChecker, settings: PrepareSettings) -> Row:
    fields, place = read.fields, read.place
    identity = fields.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or not identity.strip():
        raise RecordError(str(identity or place), "id", f"is {identity!r}, expected a non-empty string", place)
    instruction = _text(fields, "instruction", identity, place)
    if not instruction.strip():
        raise RecordError(identity, "instruction", "is empty", place)
    if len(instruction) > settings.max_instruction_characters:
        problem = (
            f"has {len(instruction):,} characters, the limit is {settings.max_instruction_characters:,} "
            "(max_instruction_characters)"
        )
        raise RecordError(identity, "instruction", problem, place)
    reference, data = _image(fields.get("image"), identity, place, store)
    image = decode(data, identity, reference, store.max_pixels, place)
    try:
        placeholder_check(reader, identity, instruction, (image.height, image.width))
    except RecordError as error:
        raise RecordError(identity, error.field, error.problem, place) from error
    chosen, rejected = checked_preference(fields, identity, place)
    for name, text in (("id", identity), ("chosen", chosen), ("rejected", rejected)):
        _check_encodes(text, name, repr(identity), place)
    tags = fields.get("tags") or []
    if not isinstance(tags, list):
        raise RecordError(identity, "tags", f"is {_short(tags)}, expected a list of strings", place)
    return {
        "id": identity,
        "image": reference,
        "image_sha256": hashlib.sha256(data).hexdigest(),
        "image_width": image.width,
        "image_height": image.height,
        "instruction": instruction,
        "reference_answer": _text(fields, "reference_answer", identity, place, default=""),
        "chosen": chosen,
        "rejected": rejected,
        "tags": [str(tag) for tag in tags],
    }


def _image(value: Any, identity: str, place: str, store: ImageStore) -> tuple[str, bytes]:
    """(reference, file content). An embedded image becomes a file of the artifact, named by its content."""
    if isinstance(value, bytes):
        return f"{ATTACHED}{hashlib.sha256(value).hexdigest()}.{suffix_of(value)}", value
    if not isinstance(value, str):
        raise RecordError(identity, "image", f"is {_short(value)}, expected a string or an embedded image", place)
    if value.startswith(ATTACHED):
        raise RecordError(identity, "image", f'"{value}": the prefix {ATTACHED} is for embedded images', place)
    return value, store.read(identity, value, place)


def _results(prompts: Artifact) -> dict[str, int]:
    return {"preferences": sum(bool(row["chosen"]) for row in prompts.rows())}


def _text(fields: dict[str, Any], name: str, identity: str, place: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise RecordError(identity, name, f"is {_short(value)}, expected a string", place)
    _check_encodes(value, name, identity, place)
    return value


def _check_encodes(text: str, name: str, identity: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RecordError(identity, name, f"holds half a character at position {error.start}", place) from error


def _short(value: Any) -> str:
    """What was found, for a message: an embedded image would fill pages."""
    shown = repr(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."
