"""Runs with image preferences and probes: the real writers' artifacts, with regions taken from the drawn scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, read_artifact, shard_of
from groundtune.benchmarks.modality_probe.results import results_of
from groundtune.candidates.combine import joined_digest
from groundtune.demo.draw import box
from groundtune.demo.language import mentions
from groundtune.demo.world import Scene
from groundtune.digests import digest_of
from groundtune.folder_artifacts import FolderWriter, read_folder
from groundtune.preferences.image_preference.keywords.ranking import Keyword, extract_keywords
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.preferences.image_preference.pair_images import image_pair
from groundtune.preferences.image_preference.regions.finder import Region
from groundtune.settings import ImagePreferenceSettings, ProbeSettings
from tests.unit.report.runs import FakeRun, build

SETTINGS = ImagePreferenceSettings(tagger="plain")
EXTRA = {"tagger": "plain-1", "finder": "patch_similarity"}


def build_with_images(
    root: Path, *, settings: ImagePreferenceSettings = SETTINGS, probes: bool = True, **options: Any
) -> FakeRun:
    """A run of three curriculum stages whose chosen answers' things are destroyed in two shards. The first pair of each
    shard is rejected, the second has no keyword, and of the third none is found. options: of `build`."""
    run = build(root, images=True, **{"stages": 3, **options})
    pairs = read_artifact(run.paths.pairs, "pairs")
    shards = [_image_pairs(run, pairs, settings, index) for index in range(2)]
    run = run.having(
        image_pairs=[shard.path for shard in shards],
        image_reference=[_image_reference(root, pairs, shard) for shard in shards],
        adapter=_with_parent(run, "image_pairs", joined_digest(shards)),
    )
    if probes:
        run = run.having(base_probe=probe(root / "base_probe"), aligned_probe=probe(root / "aligned_probe", "lora"))
    return run


def _image_pairs(run: FakeRun, pairs: Artifact, settings: ImagePreferenceSettings, index: int) -> Artifact:
    prompts = read_artifact(run.paths.prompts, "prompts")
    images = {row["id"]: row["image"] for row in prompts.rows()}
    tagger = load_tagger(settings)
    work = shard_of(list(pairs.rows()), index, 2)
    rows, files = [], {}
    for number, pair in enumerate(work[1:]):
        keywords = extract_keywords(pair["chosen"], tagger, settings) if number else []
        scene = run.scenes[int(pair["prompt_id"][-4:])]
        regions = [_region(keyword, scene, known=number != 1) for keyword in keywords]
        image = Image.open(run.root / "images" / images[pair["prompt_id"]])
        row, name, content = image_pair(pair, image, keywords, regions, settings)
        rows.append(row)
        files[name] = content
    parents = {"prompts": prompts.digest, "pairs": pairs.digest, "finder.patch_similarity": digest_of("clip")}
    writer = ArtifactWriter(
        run.root / f"image-pairs-{index}", "image_pairs", settings.to_mapping(), parents, shard=(index, 2), extra=EXTRA
    )
    writer.write_part(0, rows, [reject(pair["pair_id"], "image", "gone") for pair in work[:1]], files)
    return writer.finish(len(work))


def _region(keyword: Keyword, scene: Scene, known: bool) -> Region:
    """Where the thing is drawn; score 0.2 when it is not in the scene, or not `known`."""
    kinds = {mention.kind for mention in mentions(keyword.phrase)}
    mask = np.zeros((144, 144), dtype=bool)
    for placement in (p for entity in scene.entities if entity.kind in kinds for p in entity.placements):
        left, top, right, bottom = box(placement)
        mask[top:bottom, left:right] = True
    return Region(keyword.phrase, mask, 0.8 if known and mask.any() else 0.2)


def _image_reference(root: Path, pairs: Artifact, shard: Artifact) -> Path:
    """Every chosen answer loses 2 nats a keyword under its corrupted image."""
    believed = {pair["pair_id"]: pair["chosen_confidence"] * len(pair["chosen_tokens"]) for pair in pairs.rows()}
    rows: list[Row] = [
        {
            "pair_id": row["pair_id"],
            "token_logprobs": [],
            "logprob_sum": believed[row["pair_id"]] - 2 * len(row["keywords"]),
            "image_sha256": row["corrupted_sha256"],
            "reference_key": "k",
        }
        for row in shard.rows()
    ]
    index, count = shard.manifest["shard"]
    writer = ArtifactWriter(
        root / f"image-reference-{index}", "image_reference", {}, {"image_pairs": shard.digest}, shard=(index, count)
    )
    writer.write_part(0, rows)
    return writer.finish(len(rows)).path


def _with_parent(run: FakeRun, name: str, digest: str) -> Path:
    """The run's adapter again, with one more parent."""
    adapter = read_folder(str(run.paths.adapter), "adapter")
    files = {file.name: file.read_bytes() for file in adapter.path.iterdir() if file.name != "manifest.json"}

    def write(folder: Path) -> None:
        for file, content in files.items():
            (folder / file).write_bytes(content)

    parents = {**adapter.manifest["parents"], name: digest}
    writer = FolderWriter(run.root / "adapter-with-images", "adapter", adapter.settings, parents)
    return writer.finish(write, adapter.results).path


def probe(
    path: Path, adapter: str = "", changed: int | None = None, noise: int = 900, rows: list[Row] | None = None
) -> Path:
    """30 questions, 10 descriptions and 10 pairs, or `rows`. changed: how many answers change when the image is
    destroyed (default 3 without an adapter, 24 with one)."""
    changed = changed if changed is not None else 24 if adapter else 3
    if rows is None:
        rows = [_question(number, number < changed) for number in range(30)]
        rows += [_caption(number, bool(adapter)) for number in range(10)]
        rows += [_pair(number, bool(adapter)) for number in range(10)]
    settings = ProbeSettings(bootstrap_resamples=100, noise_step=noise)
    told = {"probe": settings.to_mapping(), "evaluation": {}, "image_preference": SETTINGS.to_mapping()}
    writer = ArtifactWriter(path, "probe", told, {"model": digest_of("m"), "adapter": adapter}, extra=EXTRA)
    writer.write_part(0, rows)
    return writer.finish(len(rows), results=lambda made: results_of(list(made.rows()), settings)).path


def _blank(kind: str, number: int, text: str) -> Row:
    words = ("phrase", "region_missing", "answer", "answer_region", "answer_destroyed", "answer_removed")
    row = {"probe": kind, "question_id": f"{kind}/{number}", "image": f"{number}.png", "question": text}
    return {**row, **dict.fromkeys(words, "")}


def _question(number: int, changed: bool) -> Row:
    """The last three have no region."""
    found = number < 27
    seen: Row = {"region_area": 0.1, "answer_region": "No" if changed else "Yes"} if found else {}
    missing = "" if found else "not_found"
    belief = {"p_yes": 0.9, "p_yes_region": 0.2, "p_yes_destroyed": 0.1 if changed else 0.9, "p_yes_removed": 0.1}
    answers = {"answer": "Yes", "answer_destroyed": "No" if changed else "Yes", "answer_removed": "No"}
    look = {"attention_image": 0.4, "attention_region": 1.5} if found else {}
    return {
        **_blank("question", number, "Is there a cup?"),
        "region_missing": missing,
        **seen,
        **belief,
        **answers,
    } | look


def _caption(number: int, adapted: bool) -> Row:
    other = "A red car." if adapted else "A blue cup."
    answers = {"answer": "A blue cup.", "answer_region": other, "answer_destroyed": other, "answer_removed": "A dog."}
    return {**_blank("caption", number, "Describe."), "region_area": 0.2, **answers}


def _pair(number: int, adapted: bool) -> Row:
    rewards = {"text_reward": 3.0, "image_reward": 7.0 + 0.1 * number} if adapted else {}
    dependence = {"image_dependence": 1.9 if adapted else 1.2, "image_dependence_rejected": 1.0}
    return {**_blank("pair", number, "Describe."), **rewards, **dependence}


def image_rows(paths: Sequence[str | Path]) -> list[Row]:
    """The rows of all shards of image pairs."""
    return [row for path in paths for row in read_artifact(path, "image_pairs").rows()]
