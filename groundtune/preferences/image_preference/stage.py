"""prefer_images: for every pair an image in which what the chosen answer speaks of is destroyed (MFPO)."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, parse_shard, parts_of, read_artifact, shard_of
from groundtune.errors import RecordError, TooManyRejected
from groundtune.images import ImageStore
from groundtune.preferences.image_preference.keywords.phrases import Tagger
from groundtune.preferences.image_preference.keywords.ranking import keywords_of
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.preferences.image_preference.pair_images import FALLBACKS, image_pair
from groundtune.preferences.image_preference.regions.finder import RegionFinder
from groundtune.preferences.image_preference.regions.load import load_finder
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import ImagePreferenceSettings
from groundtune.tracking.ledger import noted

STAGE = "prefer_images"


@noted(STAGE)
def run(
    prompts: str | Path,
    pairs: str | Path,
    images_root: str,
    region_models: Mapping[str, str],
    out: str | Path,
    settings: ImagePreferenceSettings | Mapping[str, Any],
    *,
    scorers: Mapping[str, str] | None = None,
    shard: str = "0/1",
) -> Artifact:
    """Keywords of the chosen answer, their regions, and the corrupted image as an attached PNG, for a shard of pairs.

    region_models: name of a model to its checkpoint, as `finder` needs them; scorers: of MAS, whose contrastive one
    patch_similarity takes when it has none of its own. A pair whose image cannot be read, or does
    not change, is rejected with a reason; a keyword that is not found leads to the whole image, which is counted.
    Raises TooManyRejected when more than max_whole_share of the pairs falls back to the whole image.
    """
    settings = ImagePreferenceSettings.of(settings, STAGE)
    index, count = parse_shard(shard)
    source, chosen = read_artifact(prompts, "prompts"), read_artifact(pairs, "pairs")
    work = shard_of(list(chosen.rows()), index, count)
    images = {row["id"]: row for row in source.rows()}
    tagger, finder = load_tagger(settings), load_finder(settings.checkpoints(region_models, scorers), settings)
    parents = {"prompts": source.digest, "pairs": chosen.digest, f"finder.{finder.name}": finder.digest}
    extra = {"tagger": tagger.name, "finder": finder.name}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(
            Path(out), "image_pairs", settings.to_mapping(), parents, shard=(index, count), extra=extra
        )
        store = ImageStore(images_root, attached=source.files)
        progress = Progress(shard_label(STAGE, index, count), len(work), "pairs")
        for number, part in parts_of(work, settings.pairs_per_part):
            if writer.has_part(number):
                progress.skip(len(part))
                continue
            rows: list[Row] = []
            rejected: list[Row] = []
            files: dict[str, bytes] = {}
            for _, batch in parts_of(part, settings.pairs_per_batch):
                _corrupt(batch, images, store, tagger, finder, settings, rows, rejected, files)
                progress.add(len(batch))
            writer.write_part(number, rows, rejected, files)
        artifact = writer.finish(len(work), results=lambda made: _results(made, progress, settings))
        say(progress.stage, _summary(artifact, len(work)))
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


def _corrupt(
    pairs: list[Row],
    prompts: dict[str, Row],
    store: ImageStore,
    tagger: Tagger,
    finder: RegionFinder,
    settings: ImagePreferenceSettings,
    rows: list[Row],
    rejected: list[Row],
    files: dict[str, bytes],
) -> None:
    opened, readable = [], []
    for pair in pairs:
        prompt = prompts[pair["prompt_id"]]
        try:
            opened.append(store.open(prompt["id"], prompt["image"], prompt["image_sha256"]))
            readable.append(pair)
        except RecordError as error:
            rejected.append(reject(pair["pair_id"], error.field, str(error)))
    keywords = keywords_of([pair["chosen"] for pair in readable], tagger, settings)
    found = finder.find(opened, [[keyword.phrase for keyword in some] for some in keywords])
    for pair, image, words, regions in zip(readable, opened, keywords, found, strict=True):
        try:
            row, name, content = image_pair(pair, image, words, regions, settings)
        except RecordError as error:
            rejected.append(reject(pair["pair_id"], "unchanged", str(error)))
            continue
        rows.append(row)
        files[name] = content


def _results(made: Artifact, progress: Progress, settings: ImagePreferenceSettings) -> dict[str, Any]:
    rows = list(made.rows())
    _check_fallbacks(rows, settings)
    keywords = [keyword for row in rows for keyword in row["keywords"]]
    reasons = Counter(row["fallback"] for row in rows if row["fallback"])
    return {
        "pairs": len(rows),
        "mean_area": sum(row["area"] for row in rows) / max(len(rows), 1),
        "keywords_per_pair": len(keywords) / max(len(rows), 1),
        "keywords_found_share": sum(keyword["found"] for keyword in keywords) / max(len(keywords), 1),
        "whole_image_share": sum(reasons.values()) / max(len(rows), 1),
        "whole_image": {reason: reasons[reason] for reason in FALLBACKS},
        "pairs_per_second": progress.rate,
    }


def _check_fallbacks(rows: list[Row], settings: ImagePreferenceSettings) -> None:
    whole = [row for row in rows if row["fallback"]]
    if not whole or len(whole) <= settings.max_whole_share * len(rows):
        return
    first = whole[0]
    told = ", ".join(f"{keyword['phrase']!r} {keyword['score']:.2f}" for keyword in first["keywords"]) or "no keyword"
    raise TooManyRejected(
        f"{len(whole)} of {len(rows)} pairs fall back to the whole image, the limit is {settings.max_whole_share:.1%} "
        f'(image_preference.max_whole_share). The first: id="{first["pair_id"]}": {FALLBACKS[first["fallback"]]} '
        f"({told}; least_score {settings.least_score})"
    )


def _summary(made: Artifact, pairs: int) -> str:
    results = made.results
    reasons = {name.replace("_", " "): count for name, count in results["whole_image"].items() if count}
    whole = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    return (
        f"{pairs:,} pairs -> {len(made):,} corrupted images, {results['mean_area']:.0%} of the pixels "
        f"(whole image: {whole or 'none'})"
    )
