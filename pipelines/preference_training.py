"""What every pipeline that trains on preferences does alike: its checks, and from a prompt file to an adapter."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kfp import dsl

from components.check_gpu import check_gpu
from components.combine_scores import combine_scores
from components.prefer_images import prefer_images
from components.preflight import preflight
from components.prepare_prompts import prepare_prompts
from components.sample_candidates import sample_candidates
from components.score_alignment import score_alignment
from components.score_confidence import score_confidence
from components.score_corrupted import score_corrupted
from components.select_pairs import select_pairs
from components.train_dpo import train_dpo
from components.train_dpo_job import train_dpo_job
from pipelines.placement import gpu_pool, on_cpu, retried

Given = Mapping[str, Any]  # parameters of a pipeline by name: values, or what stands for them while it is compiled


class Pools(NamedTuple):
    """Parameters of the GPU node pool."""

    accelerator: Any
    accelerator_count: Any
    training_gpus: Any
    node_selector: Any
    tolerations: Any

    def on_gpu(self, tried_again: bool = True) -> Any:
        """What puts a task there."""
        return gpu_pool(self.accelerator, self.accelerator_count, self.node_selector, self.tolerations, tried_again)

    @property
    def of_training(self) -> tuple[Any, Any, Any, Any]:
        return (self.accelerator, self.training_gpus, self.node_selector, self.tolerations)


class Checks(NamedTuple):
    """Tasks: inputs, and GPUs."""

    inputs: Any
    gpu: Any


class Trained(NamedTuple):
    """Tasks, each with its outputs. sampled, aligned, believed: of every shard; corrupted: name of an output of the
    image stages -> the task that makes it, empty without image preferences."""

    ready: Any
    sampled: Any
    aligned: Any
    believed: Any
    scored: Any
    selected: Any
    corrupted: dict[str, Any]
    adapter: Any


def collected(made: Mapping[str, Any]) -> dict[str, dsl.Collected]:
    """All shards of each output. The compiler rewrites a Collected in place: every consumer gets its own."""
    return {name: dsl.Collected(task.outputs[name]) for name, task in made.items()}


def checks(given: Given, pools: Pools, image_preferences: bool, over_nodes: bool, **more: Any) -> Checks:
    """preflight, then check_gpu. more: further arguments of preflight."""
    names = (
        "prompts", "model", "scorers", "region_models", "benchmarks_root", "prepare", "sampling", "alignment",
        "confidence", "selection", "image_preference", "training", "parallel", "probe", "evaluation", "judge",
        "registry", "images_root",
    )  # fmt: skip
    checked = on_cpu(
        preflight(
            **{name: given[name] for name in names},
            image_preferences=image_preferences,
            training_gpus=pools.training_gpus,
            over_nodes=over_nodes,
            **more,
        )
    ).set_caching_options(False)  # it looks at what is there now
    sections = ("model", "scorers", "alignment", "sampling", "confidence", "training", "evaluation")
    gpu = pools.on_gpu(tried_again=False)(
        check_gpu(
            **{name: given[name] for name in sections},
            accelerator_count=pools.accelerator_count,
            training_gpus=pools.training_gpus,
            image_preferences=image_preferences,
        )
    ).set_caching_options(False)  # another node, another answer
    gpu.after(checked)
    return Checks(checked, gpu)


def train_on_preferences(
    given: Given,
    checked: Checks,
    pools: Pools,
    image_preferences: bool,
    over_nodes: bool,
    policy_adapter: Any = None,
) -> Trained:
    """From the prompt file to the adapter. policy_adapter: where the adapter is that answers and is trained on; None
    for a pipeline that always starts from the model itself."""
    on_gpu = pools.on_gpu()
    images_root, scorers = given["images_root"], given["scorers"]
    model = {"model": given["model"], "model_digest": checked.inputs.outputs["model_digest"]}
    policy = {**model, **({} if policy_adapter is None else {"policy_adapter": policy_adapter})}
    regions = {
        "region_models": given["region_models"],
        "region_models_digest": checked.inputs.outputs["region_models_digest"],
    }
    ready = on_cpu(
        prepare_prompts(
            prompts=given["prompts"],
            prompts_digest=checked.inputs.outputs["prompts_digest"],
            images_root=images_root,
            **model,
            num_shards=given["num_shards"],
            settings=given["prepare"],
        )
    ).after(checked.gpu)
    prompts = ready.outputs["prepared"]
    with dsl.ParallelFor(ready.outputs["Output"]) as shard:
        sampled = on_gpu(
            sample_candidates(
                prompts=prompts, images_root=images_root, shard=shard, settings=given["sampling"], **policy
            )
        )
        candidates = sampled.outputs["candidates"]
        aligned = on_gpu(
            score_alignment(
                prompts=prompts,
                candidates=candidates,
                images_root=images_root,
                scorers=scorers,
                shard=shard,
                settings=given["alignment"],
            )
        )
        believed = on_gpu(
            score_confidence(
                prompts=prompts,
                candidates=candidates,
                images_root=images_root,
                shard=shard,
                settings=given["confidence"],
                **policy,
            )
        )
    scored = on_cpu(
        combine_scores(
            **collected({"candidates": sampled, "alignment": aligned, "confidence": believed}),
            settings=given["alignment"],
        )
    )
    selected = on_cpu(select_pairs(scores=scored.outputs["scores"], settings=given["selection"]))
    pairs = selected.outputs["pairs"]
    corrupted: dict[str, Any] = {}
    if image_preferences:
        with dsl.ParallelFor(ready.outputs["Output"]) as shard:
            preferred = on_gpu(
                prefer_images(
                    prompts=prompts,
                    pairs=pairs,
                    images_root=images_root,
                    scorers=scorers,
                    shard=shard,
                    settings=given["image_preference"],
                    **regions,
                )
            )
            referred = on_gpu(
                score_corrupted(
                    prompts=prompts,
                    pairs=pairs,
                    image_pairs=preferred.outputs["image_pairs"],
                    settings=given["confidence"],
                    **policy,
                )
            )
        corrupted = {"image_pairs": preferred, "image_reference": referred}
    taught = {
        "prompts": prompts,
        "pairs": pairs,
        "images_root": images_root,
        "settings": given["training"],
        "parallel": given["parallel"],
        **policy,
        **collected({"confidence": believed, **corrupted}),
    }
    if over_nodes:
        asked_for = dict(zip(("accelerator", "gpus", "node_selector", "tolerations"), pools.of_training, strict=True))
        trained = on_cpu(retried(train_dpo_job(**taught, **asked_for)))
    else:
        trained = gpu_pool(*pools.of_training)(train_dpo(**taught))
    return Trained(ready, sampled, aligned, believed, scored, selected, corrupted, trained)
