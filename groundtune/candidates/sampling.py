"""sample_candidates: the model answers every prompt K times (M3PO step 1); a user's own preference joins the pool.

A candidate follows from the seed, the prompt's id and its number k alone: not from its batch, shard or a restart (of
engine vllm, up to what docs/vllm.md says of its rounding).
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, parse_shard, parts_of, read_artifact, shard_of
from groundtune.candidates.engines.engine import Engine, open_engine
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import SamplingSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.answer_ids import encode_answer
from groundtune.vlm.generate import Answer
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding

STAGE = "sample_candidates"


@noted(STAGE)
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
    engine = open_engine(settings, storage.local_folder(model), storage.local_folder(adapter) if adapter else None)
    parents = {"prompts": source.digest, "model": engine.digest, "adapter": engine.adapter_digest}
    # Unfinished work starts again under another version: the answers of one pool come from one engine.
    extra = {"engine": engine.name, "version": engine.version}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(
            Path(out), "candidates", settings.to_mapping(), parents, shard=(index, count), extra=extra
        )
        store = ImageStore(images_root, attached=source.files)
        progress = Progress(shard_label(STAGE, index, count), len(work), "prompts")
        for number, part in parts_of(work, settings.prompts_per_part):
            if writer.has_part(number):
                progress.skip(len(part))
                continue
            rows: list[Row] = []
            rejected: list[Row] = []
            prefixes: list[Prefix] = []
            given: dict[str, list[Row]] = {}
            for prompt in part:
                try:
                    file = store.file(prompt["id"], prompt["image"], prompt["image_sha256"])
                    prefix = engine.encode(prompt["id"], prompt["instruction"], file)
                    given[prompt["id"]] = given_answers(engine.reader, prefix, prompt, settings)
                    prefixes.append(prefix)
                except RecordError as error:
                    rejected.append(reject(prompt["id"], error.field, str(error)))
            sampled = _sample(engine, prefixes, settings)
            for prefix in prefixes:
                rows += [*sampled[prefix.record_id], *given[prefix.record_id]]
            progress.add(len(part))
            writer.write_part(number, rows, rejected)
        results = _finish(writer, len(work), progress)
        log.metrics(results.results)
        log.tag("output.digest", results.digest)
        log.tag("engine", f"{engine.name} {engine.version}")
        return results


def prompt_seed(seed: int, prompt_id: str) -> int:
    """The seed of one prompt: 63 bits of sha256 over the run's seed and the prompt's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{prompt_id}".encode()).digest()[:8], "big") >> 1


def merge_duplicates(prompt_id: str, answers: list[Answer], engine: str) -> list[Row]:
    """One row a distinct token sequence, in the order of first appearance, with its multiplicity.

    engine: the name of what wrote the answers.
    """
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
                "engine": engine,
            }
        else:
            row["multiplicity"] += 1
    return list(rows.values())


def given_answers(reader: PrefixChecker, prefix: Prefix, prompt: Row, settings: SamplingSettings) -> list[Row]:
    """The user's chosen and rejected answer as candidates that nobody sampled (multiplicity 0).

    Raises RecordError when an answer cannot be encoded, or when there is neither a preference nor anything to sample.
    """
    if not prompt["chosen"]:
        if not settings.num_candidates:
            raise RecordError(prompt["id"], "chosen", "no preference given, and num_candidates is 0: nothing to score")
        return []
    rows = [
        {
            "prompt_id": prompt["id"],
            "candidate_id": f"{prompt['id']}#{side}",
            "text": prompt[side].strip(),
            "token_ids": list(encode_answer(reader, prefix, prompt[side])),
            "finished": True,
            "multiplicity": 0,
            "engine": "given",
        }
        for side in ("chosen", "rejected")
    ]
    if rows[0]["token_ids"] == rows[1]["token_ids"]:
        raise RecordError(prompt["id"], "rejected", "is the same answer as `chosen` to the model: nothing to prefer")
    return rows


def _sample(engine: Engine[Any], prefixes: list[Prefix], settings: SamplingSettings) -> dict[str, list[Row]]:
    """prompt id -> its distinct sampled answers."""
    if not prefixes or not settings.num_candidates:
        return {prefix.record_id: [] for prefix in prefixes}
    decoding = Decoding(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        samples=settings.num_candidates,
    )
    seeds = [prompt_seed(settings.seed, prefix.record_id) for prefix in prefixes]
    pools = engine.sample(prefixes, decoding, seeds)
    return {
        prefix.record_id: merge_duplicates(prefix.record_id, pool, engine.name)
        for prefix, pool in zip(prefixes, pools, strict=True)
    }


def _finish(writer: ArtifactWriter, prompts: int, progress: Progress) -> Artifact:
    def results(artifact: Artifact) -> dict[str, float]:
        rows = list(artifact.rows())
        pools = len({row["prompt_id"] for row in rows})
        return {
            "prompts": prompts,
            "pools": pools,
            "candidates": len(rows),
            "samples": sum(row["multiplicity"] for row in rows),
            "distinct_per_pool": sum(row["multiplicity"] > 0 for row in rows) / max(pools, 1),
            "given": sum(row["multiplicity"] == 0 for row in rows),
            "unfinished": sum(not row["finished"] for row in rows),
            "prompts_per_second": progress.rate,
        }

    artifact = writer.finish(prompts, unit="prompt_id", results=results)
    figures = artifact.results
    given = f", {figures['given']:,} given" if figures["given"] else ""
    say(
        progress.stage,
        f"{prompts:,} prompts -> {figures['candidates'] - figures['given']:,} distinct candidates out of "
        f"{figures['samples']:,}{given}",
    )
    return artifact
