"""retrain: prompts that arrived since the last round in; a new champion out, or the old one and the reason why.

One run is one round (docs/decisions/0038). Like `align` it is two packages, without image preferences and with them.
Everything but the first task stands below a condition: with too few new rows, or while another retraining runs, the run
ends green and says so.
"""

from typing import Any

from kfp import dsl

from components.close_round import close_round
from components.decide_promotion import decide_promotion
from components.evaluate import evaluate
from components.measure_drift import measure_drift
from components.open_round import open_round
from components.register_adapter import register_adapter
from components.report_rounds import report_rounds
from pipelines.defaults import DEFAULT_POOL, DEFAULTS, PREPARE_OF_A_ROUND
from pipelines.exit_handler import with_exit_handler
from pipelines.placement import on_cpu
from pipelines.preference_training import Pools, checks, train_on_preferences

PREPARE = {**DEFAULTS["prepare"], **PREPARE_OF_A_ROUND}
NO_PROBE = {**DEFAULTS["probe"], "questions": 0, "captions": 0, "pairs": 0}


def _define(image_preferences: bool) -> Any:
    """The pipeline's body, with or without the stages of image preferences."""

    def retrain(
        inbox: str,
        rounds_root: str,
        images_root: str,
        model: str,
        scorers: dict,
        benchmarks_root: str,
        region_models: dict = {},  # noqa: B006  KFP reads it as the parameter's default
        num_shards: int = 2,
        title: str = "",
        rounds: dict = DEFAULTS["rounds"],
        gate: dict = DEFAULTS["gate"],
        prepare: dict = PREPARE,
        sampling: dict = DEFAULTS["sampling"],
        alignment: dict = DEFAULTS["alignment"],
        confidence: dict = DEFAULTS["confidence"],
        selection: dict = DEFAULTS["selection"],
        image_preference: dict = DEFAULTS["image_preference"],
        training: dict = DEFAULTS["training"],
        parallel: dict = DEFAULTS["parallel"],
        evaluation: dict = DEFAULTS["evaluation"],
        judge: dict = DEFAULTS["judge"],
        registry: dict = DEFAULTS["registry"],
        accelerator: str = DEFAULT_POOL["accelerator"],
        accelerator_count: str = DEFAULT_POOL["accelerator_count"],
        training_gpus: str = DEFAULT_POOL["accelerator_count"],
        node_selector: dict = DEFAULT_POOL["node_selector"],
        tolerations: list = DEFAULT_POOL["tolerations"],
    ) -> None:
        """Paths are local or s3://; every dict holds one stage's settings (docs/reference/settings.md).

        Args:
            inbox: Folder or s3:// prefix below which prompt files arrive.
            rounds_root: Folder or s3:// prefix where rounds are kept, outside the inbox.
            images_root: Folder or s3:// prefix that the image references of the prompts are relative to.
            model: Checkpoint folder or s3:// prefix of the base model (safetensors).
            scorers: Checkpoint of each alignment scorer, e.g. {"contrastive": "s3://bucket/clip"}.
            benchmarks_root: Folder or s3:// prefix of the benchmarks' question files and images.
            region_models: Checkpoints of the region finder of image preferences; empty for the scorer's own patches.
            num_shards: Tasks that sample and score side by side.
            title: Heading of the page.
            rounds: What a round begins with, whose answers it learns from, and how it ends.
            gate: What a challenger must show to become champion.
            prepare: Checks of the prompt files; the share of rejected rows is the gate's.
            sampling: How the policy's own answers are drawn.
            alignment: Scorers of the Multimodal Alignment Score and their weights.
            confidence: The policy's own belief in each answer, and pool entropy.
            selection: How preference pairs are chosen (M3P-Score).
            image_preference: Keywords, regions and noise of corrupted images (MFPO).
            training: Objective, curriculum, LoRA and optimizer.
            parallel: Processes and sharding of the training; changes no result.
            evaluation: Benchmarks and how they are answered and scored; the gate's questions.
            judge: The language model that rates answers; without one, judged metrics are refused.
            registry: Name of the registered model, whose champion this is about.
            accelerator: Resource name of the GPUs, as the device plugin advertises it.
            accelerator_count: GPUs of each GPU task, in digits; 0 for a cluster without GPUs.
            training_gpus: GPUs of the task that trains, in digits; 0 for none.
            node_selector: Labels of the nodes for GPU tasks, e.g. {"nvidia.com/gpu.product": "NVIDIA-L4"}.
            tolerations: Kubernetes tolerations of GPU tasks; add those of a spot pool here.
        """
        opened = on_cpu(
            open_round(
                inbox=inbox,
                rounds_root=rounds_root,
                settings=rounds,
                registry=registry,
                gate=gate,
                evaluation=evaluation,
                prepare=prepare,
            )
        ).set_caching_options(False)  # it looks at what arrived
        with dsl.If(opened.outputs["Output"] == True, name="round"):  # noqa: E712  KFP compares an output
            given = {
                "prompts": opened.outputs["rows"],
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
                "probe": NO_PROBE,
                "evaluation": evaluation,
                "judge": judge,
                "registry": registry,
            }
            pools = Pools(accelerator, accelerator_count, training_gpus, node_selector, tolerations)
            checked = checks(
                given,
                pools,
                image_preferences,
                over_nodes=False,
                register=True,
                champion_base=opened.outputs["champion_base"],
                policy_adapter=opened.outputs["policy_adapter"],
            )
            made = train_on_preferences(
                given,
                checked,
                pools,
                image_preferences,
                over_nodes=False,
                policy_adapter=opened.outputs["policy_adapter"],
            )
            kept = {"rounds_root": rounds_root, "place": opened.outputs["place"], "settings": rounds}
            drift = on_cpu(
                measure_drift(
                    alignment=dsl.Collected(made.aligned.outputs["alignment"]),
                    confidence=dsl.Collected(made.believed.outputs["confidence"]),
                    **kept,
                )
            )
            on_gpu = pools.on_gpu()
            asked = {
                "benchmarks_root": benchmarks_root,
                "benchmarks_digest": checked.inputs.outputs["benchmarks_digest"],
                "model": model,
                "model_digest": checked.inputs.outputs["model_digest"],
                "settings": evaluation,
                "judge": judge,
            }
            base = on_gpu(evaluate(**asked, policy_adapter="")).after(checked.gpu)
            base.set_display_name("evaluate-base")
            # After the base model: where nobody is champion yet it is the same task, and its answers are there already.
            champion = on_gpu(evaluate(**asked, policy_adapter=opened.outputs["champion_adapter"])).after(base)
            champion.set_display_name("evaluate-champion")
            challenger = on_gpu(evaluate(**asked, adapter=made.adapter.outputs["adapter"]))
            challenger.set_display_name("evaluate-challenger")
            registered = on_cpu(
                register_adapter(
                    adapter=made.adapter.outputs["adapter"],
                    model=model,
                    answers=challenger.outputs["answers"],
                    prompts=made.ready.outputs["prepared"],
                    settings=registry,
                )
            ).set_caching_options(False)
            decided = on_cpu(
                decide_promotion(
                    champion_answers=champion.outputs["answers"],
                    challenger_answers=challenger.outputs["answers"],
                    base_answers=base.outputs["answers"],
                    prompts=made.ready.outputs["prepared"],
                    settings=gate,
                )
            )
            closed = on_cpu(
                close_round(
                    **kept,
                    verdict=decided.outputs["verdict"],
                    pairs=made.selected.outputs["pairs"],
                    challenger=registered.output,
                    champion=opened.outputs["champion"],
                    reign=opened.outputs["reign"],
                    policy_adapter=opened.outputs["policy_adapter"],
                    drift=drift.outputs["Output"],
                    registry=registry,
                )
            ).set_caching_options(False)  # it changes the registry
            on_cpu(report_rounds(rounds_root=rounds_root, title=title)).set_caching_options(False).after(closed)

    return retrain


def _pipeline(image_preferences: bool, packaged: bool) -> Any:
    name = "groundtune-retrain-with-images" if image_preferences else "groundtune-retrain"
    body = _define(image_preferences)
    return dsl.pipeline(
        with_exit_handler(body) if packaged else body,
        name=name,
        description="A round: what arrived, a challenger from the champion, benchmarks, the gate, the registry.",
    )


retrain = _pipeline(image_preferences=False, packaged=False)
retrain_with_images = _pipeline(image_preferences=True, packaged=False)
# For a cluster: closed by the exit handler.
packaged_retrain = _pipeline(image_preferences=False, packaged=True)
packaged_retrain_with_images = _pipeline(image_preferences=True, packaged=True)
