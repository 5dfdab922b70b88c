"""compare: methods of alignment from the same pools, with the same budget, over seeds, on the same benchmarks.

One loop over the pools, a seed each, and in it one over the methods. What methods share is made once a seed; the
confidence pass is the reference of all of them. A method's own stages run in one task (docs/decisions/0031).
"""

from typing import NamedTuple

from kfp import dsl

from components.check_gpu import check_gpu
from components.evaluate import evaluate
from components.join_seed import join_seed
from components.make_pool import make_pool
from components.plan_methods import plan_methods
from components.plan_pools import plan_pools
from components.preflight import preflight
from components.prepare_prompts import prepare_prompts
from components.report_comparison import report_comparison
from components.train_method import train_method
from pipelines.defaults import DEFAULT_METHODS, DEFAULT_POOL, DEFAULTS
from pipelines.exit_handler import with_exit_handler
from pipelines.methods import BASELINES
from pipelines.placement import gpu_pool, on_cpu


class Result(NamedTuple):
    """What a comparison leaves behind."""

    page: dsl.HTML
    summary: dsl.Markdown
    tables: dsl.Artifact


def _compare(
    prompts: str,
    images_root: str,
    model: str,
    scorers: dict,
    benchmarks_root: str,
    region_models: dict = {},  # noqa: B006  KFP reads it as the parameter's default
    methods: list = DEFAULT_METHODS,
    seeds: list = [0, 1, 2],  # noqa: B006
    champion: str = "m3po",
    rivals: list = list(BASELINES),  # noqa: B006
    image_preferences: bool = True,
    title: str = "",
    prepare: dict = DEFAULTS["prepare"],
    sampling: dict = DEFAULTS["sampling"],
    alignment: dict = DEFAULTS["alignment"],
    confidence: dict = DEFAULTS["confidence"],
    selection: dict = DEFAULTS["selection"],
    image_preference: dict = DEFAULTS["image_preference"],
    training: dict = DEFAULTS["training"],
    reward: dict = DEFAULTS["reward"],
    rlhf: dict = DEFAULTS["rlhf"],
    evaluation: dict = DEFAULTS["evaluation"],
    judge: dict = DEFAULTS["judge"],
    verdict: dict = DEFAULTS["verdict"],
    accelerator: str = DEFAULT_POOL["accelerator"],
    accelerator_count: str = DEFAULT_POOL["accelerator_count"],
    node_selector: dict = DEFAULT_POOL["node_selector"],
    tolerations: list = DEFAULT_POOL["tolerations"],
) -> Result:
    """Paths are local or s3://; every dict holds one section of docs/reference/settings.md.

    Args:
        prompts: Prompt file: JSONL, Parquet or LLaVA conversation JSON.
        images_root: Folder or s3:// prefix that the image references of the prompts are relative to.
        model: Checkpoint folder or s3:// prefix of the model to align (safetensors).
        scorers: Checkpoint of each alignment scorer, e.g. {"contrastive": "s3://bucket/clip"}.
        benchmarks_root: Folder or s3:// prefix of the benchmarks' question files and images.
        region_models: Checkpoints of the region finder of image preferences; empty for the scorer's own patches.
        methods: What is compared, each with its name and what it changes (docs/methods.md).
        seeds: One pool and one training of every method each.
        champion: The method that the verdict is about.
        rivals: The methods that it is held against.
        image_preferences: Whether any method learns from corrupted images; their region finder is then checked first.
        title: Heading of the page.
        prepare: Checks of the prompt file.
        sampling: How the pools are drawn; the seed is one of `seeds`.
        alignment: Scorers of the Multimodal Alignment Score and their weights.
        confidence: The model's own belief in each answer, and pool entropy.
        selection: What is common to all methods in choosing pairs; max_pairs is their budget.
        image_preference: Keywords, regions and noise of the methods with corrupted images.
        training: What is common to all methods in training; answer_tokens is their budget.
        reward: The reward head of RM-DPO.
        rlhf: Simulated RLHF.
        evaluation: Benchmarks and how they are answered and scored.
        judge: The language model that rates answers; without one, judged metrics are refused.
        verdict: What the claim is about, and how it is decided.
        accelerator: Resource name of the GPUs, as the device plugin advertises it.
        accelerator_count: GPUs of each GPU task, in digits; a method trains on one; 0 for a cluster without GPUs.
        node_selector: Labels of the nodes for GPU tasks, e.g. {"nvidia.com/gpu.product": "NVIDIA-L4"}.
        tolerations: Kubernetes tolerations of GPU tasks; add those of a spot pool here.
    """
    on_gpu = gpu_pool(accelerator, accelerator_count, node_selector, tolerations)
    planned = on_cpu(
        plan_methods(
            methods=methods,
            champion=champion,
            rivals=rivals,
            sampling=sampling,
            selection=selection,
            image_preference=image_preference,
            training=training,
            reward=reward,
            rlhf=rlhf,
        )
    )
    pools = on_cpu(plan_pools(seeds=seeds, sampling=sampling))
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
            parallel=DEFAULTS["parallel"],
            probe={**DEFAULTS["probe"], "questions": 0, "captions": 0, "pairs": 0},
            evaluation=evaluation,
            judge=judge,
            registry=DEFAULTS["registry"],
            image_preferences=image_preferences,
            images_root=images_root,
        )
    ).set_caching_options(False)  # it looks at what is there now
    checked.after(planned, pools)
    gpu = gpu_pool(accelerator, accelerator_count, node_selector, tolerations, tried_again=False)(
        check_gpu(
            model=model,
            accelerator_count=accelerator_count,
            training_gpus=accelerator_count,
            scorers=scorers,
            alignment=alignment,
            sampling=sampling,
            confidence=confidence,
            evaluation=evaluation,
            methods=planned.output,
        )
    ).set_caching_options(False)  # another node, another answer
    gpu.after(checked)

    given = {"model": model, "model_digest": checked.outputs["model_digest"]}
    asked = {
        "benchmarks_root": benchmarks_root,
        "benchmarks_digest": checked.outputs["benchmarks_digest"],
        "settings": evaluation,
        "judge": judge,
    }
    ready = on_cpu(
        prepare_prompts(
            prompts=prompts,
            prompts_digest=checked.outputs["prompts_digest"],
            images_root=images_root,
            num_shards=1,
            settings=prepare,
            **given,
        )
    ).after(gpu)
    before = on_gpu(evaluate(**given, **asked)).after(gpu)
    before.set_display_name("evaluate-base")
    with dsl.ParallelFor(pools.output) as pool:
        read = {"prompts": ready.outputs["prepared"], "images_root": images_root, "scorers": scorers, **given}
        scored = {"alignment_settings": alignment, "confidence_settings": confidence}
        made = on_gpu(make_pool(sampling=pool, **scored, **read))
        with dsl.ParallelFor(planned.output) as method:
            taught = on_gpu(
                train_method(
                    **{name: made.outputs[name] for name in ("candidates", "alignment", "confidence", "scores")},
                    region_models=region_models,
                    region_models_digest=checked.outputs["region_models_digest"],
                    method=method,
                    **scored,
                    **read,
                )
            )
            answered = on_gpu(evaluate(adapter=taught.outputs["adapter"], **given, **asked))
        joined = on_cpu(
            join_seed(
                base_answers=before.outputs["answers"],
                answers=dsl.Collected(answered.outputs["answers"]),
                adapters=dsl.Collected(taught.outputs["adapter"]),
                methods=methods,
                sampling=pool,
            )
        )
    told = on_cpu(
        report_comparison(
            comparisons=dsl.Collected(joined.outputs["comparison"]),
            title=title,
            champion=champion,
            rivals=rivals,
            verdict=verdict,
            methods=planned.output,
            sampling=sampling,
            alignment=alignment,
            confidence=confidence,
        )
    )
    return Result(
        page=told.outputs["page"],
        summary=told.outputs["summary"],
        tables=told.outputs["tables"],
    )


_ABOUT = {
    "name": "groundtune-compare",
    "description": "Methods of alignment side by side: same pools, same budget, seeds, benchmarks, one verdict.",
}
compare = dsl.pipeline(_compare, **_ABOUT)
# For a cluster: closed by the exit handler, out of which KFP lets no results.
packaged_compare = dsl.pipeline(with_exit_handler(_compare), **_ABOUT)
