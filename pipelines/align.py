"""align: prompts and a checkpoint in; an aligned adapter, its scores and a report out (M3PO, MFPO).

One definition, two packages: `align` trains on text preferences, `align_with_images` on image preferences as well.
Compiled with `--trainer trainjob`, both train over several nodes by a TrainJob of Kubeflow Trainer. KFP has no
optional branch whose outputs later tasks may or may not take, and a task that only finds out that it is not
wanted would still occupy a GPU node.
"""

from typing import Any, NamedTuple

from kfp import dsl

from components.evaluate import evaluate
from components.probe_modality import probe_modality
from components.register_adapter import register_adapter
from components.write_report import write_report
from pipelines.defaults import DEFAULT_POOL, DEFAULTS
from pipelines.exit_handler import with_exit_handler
from pipelines.placement import on_cpu
from pipelines.preference_training import Pools, checks, collected, train_on_preferences


class Result(NamedTuple):
    """What a run leaves behind."""

    report: dsl.HTML
    summary: dsl.Markdown
    adapter: dsl.Model
    base_answers: dsl.Dataset
    aligned_answers: dsl.Dataset


def _define(image_preferences: bool, over_nodes: bool) -> Any:
    """The pipeline's body, with or without the stages of image preferences; training in one pod or over several."""

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
        parallel: dict = DEFAULTS["parallel"],
        probe: dict = DEFAULTS["probe"],
        evaluation: dict = DEFAULTS["evaluation"],
        judge: dict = DEFAULTS["judge"],
        registry: dict = DEFAULTS["registry"],
        accelerator: str = DEFAULT_POOL["accelerator"],
        accelerator_count: str = DEFAULT_POOL["accelerator_count"],
        training_gpus: str = DEFAULT_POOL["accelerator_count"],
        node_selector: dict = DEFAULT_POOL["node_selector"],
        tolerations: list = DEFAULT_POOL["tolerations"],
    ) -> Result:
        """Paths are local or s3://; every dict holds one stage's settings (docs/reference/settings.md).

        Args:
            prompts: Prompt file: JSONL, Parquet or LLaVA conversation JSON.
            images_root: Folder or s3:// prefix that the image references of the prompts are relative to.
            model: Checkpoint folder or s3:// prefix of the model to align (safetensors).
            scorers: Checkpoint of each alignment scorer, e.g. {"contrastive": "s3://bucket/clip"}.
            benchmarks_root: Folder or s3:// prefix of the benchmarks' question files and images.
            region_models: Checkpoints of the region finder of image preferences; empty for the scorer's own patches.
            num_shards: Tasks that sample and score side by side.
            register: Whether the adapter enters the MLflow model registry at the end.
            title: Heading of the report.
            prepare: Checks of the prompt file.
            sampling: How the model's own answers are drawn.
            alignment: Scorers of the Multimodal Alignment Score and their weights.
            confidence: The model's own belief in each answer, and pool entropy.
            selection: How preference pairs are chosen (M3P-Score).
            image_preference: Keywords, regions and noise of corrupted images (MFPO).
            training: Objective, curriculum, LoRA and optimizer.
            parallel: Processes, nodes and sharding of the training; changes no result.
            probe: Measurements of how much answers depend on the image.
            evaluation: Benchmarks and how they are answered and scored.
            judge: The language model that rates answers; without one, judged metrics are refused.
            registry: Name and alias of the registered model.
            accelerator: Resource name of the GPUs, as the device plugin advertises it.
            accelerator_count: GPUs of each GPU task, in digits; 0 for a cluster without GPUs.
            training_gpus: GPUs of the task that trains, or of each of its nodes, in digits; 0 for none.
            node_selector: Labels of the nodes for GPU tasks, e.g. {"nvidia.com/gpu.product": "NVIDIA-L4"}.
            tolerations: Kubernetes tolerations of GPU tasks; add those of a spot pool here.
        """
        given = {
            "prompts": prompts,
            "images_root": images_root,
            "model": model,
            "scorers": scorers,
            "region_models": region_models,
            "benchmarks_root": benchmarks_root,
            "num_shards": num_shards,
            "prepare": prepare,
            "sampling": sampling,
            "alignment": alignment,
            "confidence": confidence,
            "selection": selection,
            "image_preference": image_preference,
            "training": training,
            "parallel": parallel,
            "probe": probe,
            "evaluation": evaluation,
            "judge": judge,
            "registry": registry,
        }
        pools = Pools(accelerator, accelerator_count, training_gpus, node_selector, tolerations)
        on_gpu = pools.on_gpu()
        checked = checks(given, pools, image_preferences, over_nodes, register=register)
        made = train_on_preferences(given, checked, pools, image_preferences, over_nodes)
        adapter = made.adapter.outputs["adapter"]
        asked = {
            "benchmarks_root": benchmarks_root,
            "benchmarks_digest": checked.inputs.outputs["benchmarks_digest"],
            "model": model,
            "model_digest": checked.inputs.outputs["model_digest"],
        }
        before = on_gpu(evaluate(**asked, settings=evaluation, judge=judge)).after(checked.gpu)
        before.set_display_name("evaluate-base")
        after = on_gpu(
            evaluate(**asked, settings=evaluation, judge=judge, adapter=adapter)
        ).set_display_name("evaluate-aligned")
        probed = {
            "prompts": made.ready.outputs["prepared"],
            "pairs": made.selected.outputs["pairs"],
            "images_root": images_root,
            "region_models": region_models,
            "scorers": scorers,
            "region_models_digest": checked.inputs.outputs["region_models_digest"],
            "settings": probe,
            "evaluation": evaluation,
            "image_preference": image_preference,
        }
        base_probe = on_gpu(probe_modality(**asked, **probed)).set_display_name("probe-base")
        aligned_probe = on_gpu(probe_modality(**asked, **probed, adapter=adapter)).set_display_name(
            "probe-aligned"
        )
        told = on_cpu(
            write_report(
                prompts=made.ready.outputs["prepared"],
                candidates=dsl.Collected(made.sampled.outputs["candidates"]),
                scores=made.scored.outputs["scores"],
                pairs=made.selected.outputs["pairs"],
                adapter=adapter,
                base_answers=before.outputs["answers"],
                aligned_answers=after.outputs["answers"],
                images_root=images_root,
                benchmarks_root=benchmarks_root,
                title=title,
                base_probe=base_probe.outputs["probe"],
                aligned_probe=aligned_probe.outputs["probe"],
                **collected(made.corrupted),
            )
        )
        with dsl.If(register == True, name="register"):  # noqa: E712  KFP compares a parameter, not a Python bool
            on_cpu(
                register_adapter(
                    adapter=adapter,
                    model=model,
                    answers=after.outputs["answers"],
                    report=told.outputs["report"],
                    prompts=made.ready.outputs["prepared"],
                    settings=registry,
                )
            ).set_caching_options(False)
        return Result(
            report=told.outputs["report"],
            summary=told.outputs["summary"],
            adapter=adapter,
            base_answers=before.outputs["answers"],
            aligned_answers=after.outputs["answers"],
        )

    return align


def _pipeline(image_preferences: bool, packaged: bool, over_nodes: bool = False) -> Any:
    name = "groundtune-align-with-images" if image_preferences else "groundtune-align"
    method = "M3PO + MFPO" if image_preferences else "M3PO"
    body = _define(image_preferences, over_nodes)
    return dsl.pipeline(
        with_exit_handler(body, over_nodes) if packaged else body,
        name=name,
        description=f"{method}: sample, score, select pairs, train LoRA, evaluate, report.",
    )


align = _pipeline(image_preferences=False, packaged=False)
align_with_images = _pipeline(image_preferences=True, packaged=False)
# For a cluster: closed by the exit handler, out of which KFP lets no results.
packaged_align = _pipeline(image_preferences=False, packaged=True)
packaged_align_with_images = _pipeline(image_preferences=True, packaged=True)
# For a cluster with Kubeflow Trainer.
align_over_nodes = _pipeline(image_preferences=False, packaged=True, over_nodes=True)
align_with_images_over_nodes = _pipeline(image_preferences=True, packaged=True, over_nodes=True)
