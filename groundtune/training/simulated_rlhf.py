"""train_simulated_rlhf: reinforcement learning from the scorers, a baseline. The policy answers the prompts of the
pairs, MAS is the reward, the KL divergence to the base model holds it back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifacts import read_artifact
from groundtune.candidates.combine import joined_digest, read_shards
from groundtune.errors import SettingError
from groundtune.folder_artifacts import FolderArtifact, FolderWriter
from groundtune.images import ImageStore
from groundtune.progress import say
from groundtune.settings import AlignmentScoreSettings, SamplingSettings, TrainingSettings
from groundtune.settings.baselines import RlhfSettings
from groundtune.tracking.ledger import noted
from groundtune.training import processes
from groundtune.training.answer_reward import AnswerReward, read_answer_reward
from groundtune.training.finishing import checkpoint_folder, finish
from groundtune.training.lora import add_lora, lora_weights
from groundtune.training.online_answers import OnlineAnswers, prompts_of
from groundtune.training.resuming import last_checkpoint
from groundtune.training.rlhf_trainer import STAGE, TRAINERS
from groundtune.training.trl_loop import refuse_restarts
from groundtune.vlm.loader import load_vlm

FIELDS = {  # of the records: our name -> TRL's
    "step": "step", "loss": "loss", "reward": "reward", "reward_std": "reward_std", "kl": "kl", "entropy": "entropy",
    "answer_length": "completions/mean_length", "cut_share": "completions/clipped_ratio",
    "answer_tokens": "answer_tokens", "grad_norm": "grad_norm", "learning_rate": "learning_rate", "seconds": "seconds",
}  # fmt: skip


@noted(STAGE)
def run(
    prompts: str | Path,
    pairs: str | Path,
    alignment: Sequence[str | Path],
    scorers: Mapping[str, str],
    images_root: str,
    model: str,
    out: str | Path,
    training: TrainingSettings | Mapping[str, Any],
    rlhf: RlhfSettings | Mapping[str, Any],
    sampling: SamplingSettings | Mapping[str, Any],
    alignment_settings: AlignmentScoreSettings | Mapping[str, Any],
    *,
    about: Mapping[str, Any] | None = None,
) -> FolderArtifact:
    """Train LoRA on answers that the model samples while it learns, to the prompts that have pairs.

    alignment: all shards of the pool's raw scores; they fix the reward's scale. scorers: name -> the pool's checkpoint.
    training: LoRA, optimizer, seed, and answer_tokens: the budget of tokens of sampled answers that are learnt from, or
    0 for `epochs` passes over the prompts. sampling: decoding; engine has no effect, the policy itself must answer.
    about: further entries of the manifest's results, as the method of a comparison.
    out: adapter_model.safetensors + adapter_config.json as plain peft reads them, training_log.jsonl, manifest.json.
    """
    training = TrainingSettings.of(training, STAGE)
    rlhf, sampling = RlhfSettings.of(rlhf, STAGE), SamplingSettings.of(sampling, STAGE)
    alignment_settings = AlignmentScoreSettings.of(alignment_settings, STAGE)
    processes.current()  # refuses to be one of several that do not know of each other
    refuse_restarts(training, STAGE)
    source, prepared = read_artifact(pairs, "pairs"), read_artifact(prompts, "prompts")
    store = ImageStore(images_root, attached=prepared.files)
    reward = read_answer_reward(alignment, scorers, alignment_settings, store)
    vlm = load_vlm(storage.local_folder(model))
    settings = {
        "trainer": "simulated_rlhf",
        "training": training.to_mapping(),
        "rlhf": rlhf.to_mapping(),
        "sampling": sampling.to_mapping(),
        "alignment": alignment_settings.to_mapping(),
    }
    parents = {
        "pairs": source.digest,
        "model": vlm.digest,
        "alignment": joined_digest(read_shards(alignment, "alignment")),
        **{f"scorer.{scorer.name}": scorer.digest for scorer in reward.scorers},
    }
    with tracking.stage(STAGE, settings=settings, inputs=parents) as log:
        asked = prompts_of(source, prepared)
        answers = OnlineAnswers(vlm, asked, store, sampling, rlhf.group, training.seed)
        writer = FolderWriter(Path(out), "adapter", settings, parents)
        add_lora(vlm, training)
        say(STAGE, f"{len(asked):,} prompts, {rlhf.group} answers each time; {rlhf.algorithm}, reward MAS")
        records = _train(answers, reward, training, rlhf, writer.state)
        results = {"prompts": len(asked), **_results(records)} | dict(about or {})
        artifact = finish(writer, vlm, lora_weights(vlm), model, records, results, log)
        say(STAGE, "{steps:,} steps; reward {first_reward:.3f} -> {final_reward:.3f}".format(**artifact.results))
        return artifact


def _train(
    answers: OnlineAnswers, reward: AnswerReward, training: TrainingSettings, rlhf: RlhfSettings, state: str
) -> list[dict[str, Any]]:
    """Returns one record an optimizer step, those before a restart included."""
    with checkpoint_folder(state) as (folder, remote):
        found = last_checkpoint(STAGE, folder, remote)
        trainer = TRAINERS[rlhf.algorithm](answers, reward, training, rlhf, folder, remote)
        trainer.train(resume_from_checkpoint=str(found) if found else None)
        history = [record for record in trainer.state.log_history if "reward" in record]
    records = [
        {name: record[theirs] for name, theirs in FIELDS.items() if theirs in record}
        | {"epoch": record["step"] * rlhf.prompts_per_step / len(answers.prompts)}
        for record in history
    ]
    learnt = records[-1]["answer_tokens"]
    if learnt < training.answer_tokens:
        expected = f"at most {learnt}: in {len(records)} steps too many answers were cut at max_new_tokens for more"
        raise SettingError("answer_tokens", training.answer_tokens, expected)
    return records


def _results(records: list[dict[str, Any]]) -> dict[str, Any]:
    """first_, final_: means over the first and the last tenth of the steps."""
    tenth = max(1, len(records) // 10)
    head, tail = records[:tenth], records[-tenth:]
    kl = {"kl": _mean(tail, "kl")} if "kl" in tail[0] else {}
    return {
        "steps": len(records),
        "answer_tokens": records[-1]["answer_tokens"],
        "first_reward": _mean(head, "reward"),
        "final_reward": _mean(tail, "reward"),
        "cut_share": _mean(tail, "cut_share"),
        **kl,
        "seconds": sum(record["seconds"] for record in records),
    }


def _mean(records: list[dict[str, Any]], name: str) -> float:
    return float(sum(record[name] for record in records) / len(records))
