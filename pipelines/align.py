"""align: prompts and a checkpoint in; an aligned adapter, its scores and a report out (M3PO, MFPO).

One definition, two packages: `align` trains on text preferences, `align_with_images` on image preferences as well. KFP
has no optional branch whose outputs later tasks may or may not take, and a task that only finds out that it is not
wanted would still occupy a GPU node.
"""

from typing import Any, NamedTuple

from kfp import dsl

from components.combine_scores import combine_scores
from components.evaluate import evaluate
from components.prefer_images import prefer_images
from components.preflight import preflight
from components.prepare_prompts import prepare_prompts
from components.probe_modality import probe_modality
from components.register_adapter import register_adapter
from components.sample_candidates import sample_candidates
from components.score_alignment import score_alignment
from components.score_confidence import score_confidence
from components.score_corrupted import score_corrupted
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


def _collected(made: dict[str, Any]) -> dict[str, dsl.Collected]:
    """All shards of each output. The compiler rewrites a Collected in place: every consumer gets its own."""
    return {name: dsl.Collected(task.outputs[name]) for name, task in made.items()}


def _define(image_preferences: bool) -> Any:
    """The pipeline, with or without the stages of image preferences."""
    name = "groundtune-align-with-images" if image_preferences else "groundtune-align"
    method = "M3PO + MFPO" if image_preferences else "M3PO"

    @dsl.pipeline(name=name, description=f"{method}: sample, score, select pairs, train LoRA, evaluate, report.")
    def align(
        prompts: str,
        images_root: str,
        model: str,
        scorers: dict,
        benchmarks_root: str,
        region_models: dict = {},  # noqa: B006  KFP reads it as the parameter's default
        num_shards: int = 2,
        register: bool = False,
        title: str = "",
        prepare: dict = DEFAULTS["prepare"],
        sampling: dict = DEFAULTS["sampling"],
        alignment: dict = DEFAULTS["alignment"],
        confidence: dict = DEFAULTS["confidence"],
        selection: dict = DEFAULTS["selection"],
        image_preference: dict = DEFAULTS["image_preference"],
        training: dict = DEFAULTS["training"],
        probe: dict = DEFAULTS["probe"],
        evaluation: dict = DEFAULTS["evaluation"],
        judge: dict = DEFAULTS["judge"],
        registry: dict = DEFAULTS["registry"],
    ) -> Result:
        """Paths are local or s3://; every dict holds one stage's settings (docs/reference/settings.md)."""
        checked = on_cpu(
            preflight(
                prompts=prompts,
                model=model,
                scorers=scorers,
                region_models=region_models,
                benchmarks_root=benchmarks_root,
                prepare=prepare,
                sampling=sampling,
                alignment=alignment,
                confidence=confidence,
                selection=selection,
                image_preference=image_preference,
                training=training,
                probe=probe,
                evaluation=evaluation,
                judge=judge,
                registry=registry,
                image_preferences=image_preferences,
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
        # see _collected: every consumer gets a Collected of its own
        scored = on_cpu(
            combine_scores(
                candidates=dsl.Collected(sampled.outputs["candidates"]),
                alignment=dsl.Collected(aligned.outputs["alignment"]),
                confidence=dsl.Collected(believed.outputs["confidence"]),
                settings=alignment,
            )
        )
        selected = on_cpu(select_pairs(scores=scored.outputs["scores"], settings=selection))
        made: dict[str, Any] = {}  # name of an output of the image stages -> the task that makes it
        if image_preferences:
            with dsl.ParallelFor(ready.outputs["Output"]) as shard:
                corrupted = on_gpu(
                    prefer_images(
                        prompts=ready.outputs["prepared"],
                        pairs=selected.outputs["pairs"],
                        images_root=images_root,
                        region_models=region_models,
                        scorers=scorers,
                        region_models_digest=checked.outputs["region_models_digest"],
                        shard=shard,
                        settings=image_preference,
                    )
                )
                referred = on_gpu(
                    score_corrupted(
                        prompts=ready.outputs["prepared"],
                        pairs=selected.outputs["pairs"],
                        image_pairs=corrupted.outputs["image_pairs"],
                        model=model,
                        model_digest=model_digest,
                        settings=confidence,
                    )
                )
            made = {"image_pairs": corrupted, "image_reference": referred}
        trained = on_gpu(
            train_dpo(
                prompts=ready.outputs["prepared"],
                confidence=dsl.Collected(believed.outputs["confidence"]),
                pairs=selected.outputs["pairs"],
                images_root=images_root,
                model=model,
                model_digest=model_digest,
                settings=training,
                **_collected(made),
            )
        )
        asked = {
            "benchmarks_root": benchmarks_root,
            "benchmarks_digest": checked.outputs["benchmarks_digest"],
            "model": model,
            "model_digest": model_digest,
        }
        before = on_gpu(evaluate(**asked, settings=evaluation, judge=judge)).set_display_name("evaluate-base")
        after = on_gpu(
            evaluate(**asked, settings=evaluation, judge=judge, adapter=trained.outputs["adapter"])
        ).set_display_name("evaluate-aligned")
        probed = {
            "prompts": ready.outputs["prepared"],
            "pairs": selected.outputs["pairs"],
            "images_root": images_root,
            "region_models": region_models,
            "scorers": scorers,
            "region_models_digest": checked.outputs["region_models_digest"],
            "settings": probe,
            "evaluation": evaluation,
            "image_preference": image_preference,
        }
        base_probe = on_gpu(probe_modality(**asked, **probed)).set_display_name("probe-base")
        aligned_probe = on_gpu(probe_modality(**asked, **probed, adapter=trained.outputs["adapter"])).set_display_name(
            "probe-aligned"
        )
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
                base_probe=base_probe.outputs["probe"],
                aligned_probe=aligned_probe.outputs["probe"],
                **_collected(made),
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

    return align


align = _define(image_preferences=False)
align_with_images = _define(image_preferences=True)
