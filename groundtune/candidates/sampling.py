"""sample_candidates: the model answers every prompt K times (M3PO step 1).

A candidate follows from the seed, the prompt's id and its number k alone: not from its batch, shard or a restart.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifacts import Artifact, ArtifactWriter, Row, parse_shard, parts_of, read_artifact, reject, shard_of
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import SamplingSettings
from groundtune.vlm.generate import Answer, Decoding, generate
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import Prefix, encode_prefix

STAGE = "sample_candidates"
ENGINE = "transformers"


def run(
    prompts: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: SamplingSettings | Mapping[str, Any],
    *,
    adapter: str = "",
    shard: str = "0/1",
) -> Artifact:
    """K answers for every prompt of this shard; exact duplicates are merged and their number kept as a vote.

    model: checkpoint folder or s3 prefix; adapter: PEFT folder or "" for the base model. A prompt whose image cannot
    be read any more is rejected with a reason.
    """
    settings = SamplingSettings.of(settings, STAGE)
    index, count = parse_shard(shard)
    source = read_artifact(prompts, "prompts")
    work = shard_of(list(source.rows()), index, count)
    vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
    parents = {"prompts": source.digest, "model": vlm.digest, "adapter": vlm.adapter_digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(Path(out), "candidates", settings.to_mapping(), parents, shard=(index, count))
        store = ImageStore(images_root, attached=source.files)
        progress = Progress(shard_label(STAGE, index, count), len(work), "prompts")
        for number, part in parts_of(work, settings.prompts_per_part):
            if writer.has_part(number):
                progress.skip(len(part))
                continue
            rows: list[Row] = []
            rejected: list[Row] = []
            for _, batch in parts_of(part, settings.prompts_per_batch):
                prefixes = []
                for prompt in batch:
                    try:
                        prefixes.append(_prefix(vlm, prompt, store))
                    except RecordError as error:
                        rejected.append(reject(prompt["id"], error.field, str(error)))
                rows += _sample(vlm, prefixes, settings)
                progress.add(len(batch))
            writer.write_part(number, rows, rejected)
        results = _finish(writer, len(work), progress)
        log.metrics(results.results)
        log.tag("output.digest", results.digest)
        return results


def prompt_seed(seed: int, prompt_id: str) -> int:
    """The seed of one prompt: 63 bits of sha256 over the run's seed and the prompt's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{prompt_id}".encode()).digest()[:8], "big") >> 1


def merge_duplicates(prompt_id: str, answers: list[Answer]) -> list[Row]:
    """One row a distinct token sequence, in the order of first appearance, with its multiplicity."""
    rows: dict[tuple[int, ...], Row] = {}
    for k, answer in enumerate(answers):
        row = rows.get(answer.token_ids)
        if row is None:
            rows[answer.token_ids] = {
                "prompt_id": prompt_id,
                "candidate_id": f"{prompt_id}#{k}",
                "text": answer.text,
                "token_ids": list(answer.token_ids),
                "finished": answer.finished,
                "multiplicity": 1,
                "engine": ENGINE,
            }
        else:
            row["multiplicity"] += 1
    return list(rows.values())


def _prefix(vlm: Vlm, prompt: Row, store: ImageStore) -> Prefix:
    image = store.open(prompt["id"], prompt["image"], prompt["image_sha256"])
    return encode_prefix(vlm, prompt["id"], prompt["instruction"], image)


def _sample(vlm: Vlm, prefixes: list[Prefix], settings: SamplingSettings) -> list[Row]:
    if not prefixes:
        return []
    decoding = Decoding(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        samples=settings.num_candidates,
    )
    seeds = [prompt_seed(settings.seed, prefix.record_id) for prefix in prefixes]
    pools = generate(vlm, prefixes, decoding, seeds)
    return [
        row for prefix, pool in zip(prefixes, pools, strict=True) for row in merge_duplicates(prefix.record_id, pool)
    ]


def _finish(writer: ArtifactWriter, prompts: int, progress: Progress) -> Artifact:
    def results(artifact: Artifact) -> dict[str, float]:
        rows = list(artifact.rows())
        pools = len({row["prompt_id"] for row in rows})
        return {
            "prompts": prompts,
            "pools": pools,
            "candidates": len(rows),
            "samples": sum(row["multiplicity"] for row in rows),
            "distinct_per_pool": len(rows) / max(pools, 1),
            "unfinished": sum(not row["finished"] for row in rows),
            "prompts_per_second": progress.rate,
        }

    artifact = writer.finish(prompts, unit="prompt_id", results=results)
    figures = artifact.results
    say(
        progress.stage,
        f"{prompts:,} prompts -> {figures['candidates']:,} distinct candidates out of {figures['samples']:,}",
    )
    return artifact
