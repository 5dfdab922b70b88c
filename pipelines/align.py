"""align: prompts and a checkpoint in; an aligned adapter, its scores and a report out (M3PO)."""

from typing import NamedTuple

from kfp import dsl

from components.combine_scores import combine_scores
from components.evaluate import evaluate
from components.preflight import preflight
from components.prepare_prompts import prepare_prompts
from components.register_adapter import register_adapter
from components.sample_candidates import sample_candidates
from components.score_alignment import score_alignment
from components.score_confidence import score_confidence
from components.select_pairs import select_pairs
from components.train_dpo import train_dpo
from components.write_report import write_report
from pipelines.defaults import DEFAULTS
from pipelines.placement import on_cpu, on_gpu


class Result(NamedTuple):
    """What a run leaves behind."""

    report: dsl.HTML
    summary: dsl.Markdown
    adapter: dsl.Model
    base_answers: dsl.Dataset
    aligned_answers: dsl.Dataset


@dsl.pipeline(name="groundtune-align", description="M3PO: sample, score, select hard pairs, DPO-LoRA, evaluate.")
def align(
    prompts: str,
    images_root: str,
    model: str,
    scorers: dict,
    benchmarks_root: str,
    num_shards: int = 2,
    register: bool = False,
    title: str = "",
    prepare: dict = DEFAULTS["prepare"],
    sampling: dict = DEFAULTS["sampling"],
    alignment: dict = DEFAULTS["alignment"],
    confidence: dict = DEFAULTS["confidence"],
    selection: dict = DEFAULTS["selection"],
    training: dict = DEFAULTS["training"],
    evaluation: dict = DEFAULTS["evaluation"],
    registry: dict = DEFAULTS["registry"],
) -> Result:
    """Paths are local or s3://; every dict holds one stage's settings (docs/reference/settings.md)."""
    checked = on_cpu(
        preflight(
            prompts=prompts,
            model=model,
            scorers=scorers,
            benchmarks_root=benchmarks_root,
            prepare=prepare,
            sampling=sampling,
            alignment=alignment,
            confidence=confidence,
            selection=selection,
            training=training,
            evaluation=evaluation,
            registry=registry,
        )
    ).set_caching_options(False)  # it looks at what is there now
    model_digest = checked.outputs["model_digest"]

    ready = on_cpu(
        prepare_prompts(
            prompts=prompts,
            prompts_digest=checked.outputs["prompts_digest"],
            images_root=images_root,
            model=model,
            model_digest=model_digest,
            num_shards=num_shards,
            settings=prepare,
        )
    )
    with dsl.ParallelFor(ready.outputs["Output"]) as shard:
        sampled = on_gpu(
            sample_candidates(
                prompts=ready.outputs["prepared"],
                images_root=images_root,
                model=model,
                model_digest=model_digest,
                shard=shard,
                settings=sampling,
            )
        )
        aligned = on_gpu(
            score_alignment(
                prompts=ready.outputs["prepared"],
                candidates=sampled.outputs["candidates"],
                images_root=images_root,
                scorers=scorers,
                shard=shard,
                settings=alignment,
            )
        )
        believed = on_gpu(
            score_confidence(
                prompts=ready.outputs["prepared"],
                candidates=sampled.outputs["candidates"],
                images_root=images_root,
                model=model,
                model_digest=model_digest,
                shard=shard,
                settings=confidence,
            )
        )
    # the compiler rewrites a Collected in place: every consumer gets its own
    scored = on_cpu(
        combine_scores(
            candidates=dsl.Collected(sampled.outputs["candidates"]),
            alignment=dsl.Collected(aligned.outputs["alignment"]),
            confidence=dsl.Collected(believed.outputs["confidence"]),
            settings=alignment,
        )
    )
    selected = on_cpu(select_pairs(scores=scored.outputs["scores"], settings=selection))
    trained = on_gpu(
        train_dpo(
            prompts=ready.outputs["prepared"],
            candidates=dsl.Collected(sampled.outputs["candidates"]),
            confidence=dsl.Collected(believed.outputs["confidence"]),
            pairs=selected.outputs["pairs"],
            images_root=images_root,
            model=model,
            model_digest=model_digest,
            settings=training,
        )
    )
    asked = {
        "benchmarks_root": benchmarks_root,
        "benchmarks_digest": checked.outputs["benchmarks_digest"],
        "model": model,
        "model_digest": model_digest,
        "settings": evaluation,
    }
    before = on_gpu(evaluate(**asked)).set_display_name("evaluate-base")
    after = on_gpu(evaluate(**asked, adapter=trained.outputs["adapter"])).set_display_name("evaluate-aligned")
    told = on_cpu(
        write_report(
            prompts=ready.outputs["prepared"],
            candidates=dsl.Collected(sampled.outputs["candidates"]),
            scores=scored.outputs["scores"],
            pairs=selected.outputs["pairs"],
            adapter=trained.outputs["adapter"],
            base_answers=before.outputs["answers"],
            aligned_answers=after.outputs["answers"],
            images_root=images_root,
            benchmarks_root=benchmarks_root,
            title=title,
        )
    )
    with dsl.If(register == True, name="register"):  # noqa: E712  KFP compares a parameter, not a Python bool
        register_adapter(
            adapter=trained.outputs["adapter"],
            model=model,
            answers=after.outputs["answers"],
            report=told.outputs["report"],
            settings=registry,
        ).set_caching_options(False)
    return Result(
        report=told.outputs["report"],
        summary=told.outputs["summary"],
        adapter=trained.outputs["adapter"],
        base_answers=before.outputs["answers"],
        aligned_answers=after.outputs["answers"],
    )
