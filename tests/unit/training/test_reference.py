"""Promises of the reference cache: what is stale is refused by the part that differs, what is missing by its name."""

import json
import shutil

import pytest
import torch
from PIL import Image

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import read_artifact
from groundtune.candidates import confidence
from groundtune.candidates.reference_key import Answer, parts_of_pass, pass_parts, reference_key
from groundtune.errors import ArtifactError
from groundtune.preferences.image_preference import reference as image_reference
from groundtune.preferences.image_preference import stage as image_stage
from groundtune.prompts import prepare
from groundtune.settings import TrainingSettings
from groundtune.training import branch_rewards, stage
from groundtune.training.pair_data import read_pair_data
from groundtune.training.reference_check import check_sample, drawn
from groundtune.vlm.loader import load_vlm
from tests.tiny_checkpoints import tiny_adapter, tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {"pairs_per_step": 2, "pairs_per_microbatch": 2, "lora_rank": 4, "lora_alpha": 8}
PARTS = {"model", "adapter", "processor", "tokenizer", "chat_template", "dtype", "aggregation"}


class Run:
    """A run whose confidence pass has two shards, with a corrupted image for every pair."""

    def __init__(self, root):
        self.small = up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"), shards=2)
        self.root, self.images, self.corrupted = root, root / "image_pairs", root / "image_reference"
        settings = {"tagger": "plain", "least_score": 0.0}
        models = {"patch_similarity": str(self.small.clip)}
        image_stage.run(self.small.prompts, self.small.pairs, str(root), models, self.images, settings)
        self.vlm = load_vlm(self.small.model)
        self.score_corrupted(self.small.model, self.corrupted)

    @property
    def confidence(self):
        return self.small.shards("confidence", 2)

    def score_corrupted(self, model, out):
        return image_reference.run(self.small.prompts, self.small.pairs, self.images, str(model), out, {})

    def read(self, vlm=None, confidence=None, prompts=None, corrupted=None):
        return read_pair_data(
            vlm or self.vlm, prompts or self.small.prompts, self.small.pairs, confidence or self.confidence,
            str(self.root), TrainingSettings(**SETTINGS), [self.images], [corrupted or self.corrupted],
        )  # fmt: skip

    def train(self, out, confidence=None, corrupted=None, **changes):
        return stage.run(
            self.small.prompts, confidence or self.confidence, self.small.pairs, str(self.root), str(self.small.model),
            out, {**SETTINGS, **changes}, image_pairs=[self.images], image_reference=[corrupted or self.corrupted],
        )  # fmt: skip

    def pairs(self):
        return list(read_artifact(self.small.pairs, "pairs").rows())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


def rewritten(path, kind, out, change, rejected=()):
    """The artifact again, its rows changed by `change`, as its stage would have written them."""
    old = read_artifact(path, kind)
    rows = change([dict(row) for row in old.rows()])
    manifest = old.manifest
    writer = ArtifactWriter(
        out, kind, old.settings, manifest["parents"], shard=tuple(manifest["shard"]), extra=manifest["extra"]
    )
    writer.write_part(0, rows, list(rejected))
    return writer.finish(len(rows) + len(rejected)).path


def without(identity, column):
    return lambda rows: [row for row in rows if row[column] != identity]


def changed(identity, column, **values):
    """Values that are functions are applied to what is there."""

    def change(rows):
        for row in rows:
            if row[column] == identity:
                row |= {name: new(row[name]) if callable(new) else new for name, new in values.items()}
        return rows

    return change


def test_every_row_is_keyed_by_all_that_determined_it(run):
    prompts = {row["id"]: row for row in read_artifact(run.small.prompts, "prompts").rows()}
    for path, candidates in zip(run.confidence, run.small.shards("candidates", 2), strict=True):
        made = read_artifact(path, "confidence")
        parts = parts_of_pass(made)
        assert parts == pass_parts(run.vlm) and parts.keys() == PARTS and parts["dtype"] == "float32"
        answers = {row["candidate_id"]: row["token_ids"] for row in read_artifact(candidates, "candidates").rows()}
        for row in made.rows():
            prompt = prompts[row["prompt_id"]]
            answer = Answer(prompt["instruction"], answers[row["candidate_id"]], prompt["image_sha256"])
            assert row["reference_key"] == reference_key(parts, answer)


def test_a_key_does_not_depend_on_the_shards_of_the_pass(run, tmp_path):
    keys = {row["candidate_id"]: row["reference_key"] for path in run.confidence
            for row in read_artifact(path, "confidence").rows()}  # fmt: skip
    one = up_to_pairs(tmp_path, run.small.model, run.small.clip)
    whole = read_artifact(one.shards("confidence")[0], "confidence")
    assert {row["candidate_id"]: row["reference_key"] for row in whole.rows()} == keys


def edited(model, folder, name, edit):
    shutil.copytree(model, folder)
    (folder / name).write_text(edit((folder / name).read_text()))
    return folder


def json_with(**values):
    return lambda text: json.dumps(json.loads(text) | values)


@pytest.mark.parametrize(
    ("file", "edit", "part"),
    [
        ("config.json", json_with(note="x"), "model"),
        ("processor_config.json", json_with(note="x"), "processor"),
        ("chat_template.jinja", lambda text: text.replace("ASSISTANT:{%", "ASSISTANT: {%"), "chat template"),
        ("tokenizer_config.json", json_with(model_max_length=4000), "tokenizer"),
    ],
)
def test_another_checkpoint_is_refused_by_the_part_that_differs(run, tmp_path, file, edit, part):
    vlm = load_vlm(edited(run.small.model, tmp_path / "llava", file, edit))
    message = f"confidence-0: the reference log-probs are of another {part} than training starts from; run score_conf"
    with pytest.raises(ArtifactError, match=message):
        run.read(vlm)


def test_all_parts_that_differ_are_named(run, tmp_path):
    folder = edited(run.small.model, tmp_path / "a", "processor_config.json", json_with(note="x"))
    vlm = load_vlm(edited(folder, tmp_path / "b", "config.json", json_with(note="x")), dtype="bfloat16")
    with pytest.raises(ArtifactError, match=r"another dtype and model and processor .*\(dtype float32, now bfloat"):
        run.read(vlm)


def test_another_dtype_says_where_to_run_the_pass(run):
    with pytest.raises(ArtifactError, match="another dtype .*run score_confidence on the kind of device that trains"):
        run.read(load_vlm(run.small.model, dtype="bfloat16"))


def test_a_reference_under_an_adapter_is_refused(run, tmp_path):
    adapter = tiny_adapter(tmp_path / "adapter", run.small.model)
    shards = [
        confidence.run(
            run.small.prompts, candidates, str(run.root), str(run.small.model), tmp_path / f"c{i}", {},
            adapter=str(adapter), shard=f"{i}/2",
        ).path
        for i, candidates in enumerate(run.small.shards("candidates", 2))
    ]  # fmt: skip
    with pytest.raises(ArtifactError, match=r"another adapter than training starts from.*\(adapter \w{12}, now none"):
        run.read(confidence=shards)


def test_one_stale_shard_among_good_ones_is_refused(run, tmp_path):
    other = tiny_llava(tmp_path / "other", seed=3)
    candidates = run.small.shards("candidates", 2)[1]
    stale = confidence.run(
        run.small.prompts, candidates, str(run.root), str(other), tmp_path / "stale", {}, shard="1/2"
    )
    with pytest.raises(ArtifactError, match="stale: the reference log-probs are of another model"):
        run.read(confidence=[run.confidence[0], stale.path])


def prompts_with(run, folder, change):
    """The run's prompts after `change` of their files."""
    shutil.copytree(run.root / "images", folder / "images")
    lines = [json.loads(line) for line in (run.root / "prompts.jsonl").read_text().splitlines()]
    change(folder, lines)
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = folder / "prompts"
    return prepare.run(str(folder / "prompts.jsonl"), str(folder), str(run.small.model), out, {}).path


def test_another_instruction_is_refused_as_data(run, tmp_path):
    pair = run.pairs()[0]

    def ask_otherwise(folder, lines):
        next(line for line in lines if line["id"] == pair["prompt_id"])["instruction"] = "What else?"

    with pytest.raises(ArtifactError, match=r"of other data than training has \(data of [12] rows, e.g. ") as caught:
        run.read(prompts=prompts_with(run, tmp_path, ask_otherwise))
    assert "images" not in str(caught.value)


def test_a_picture_that_was_replaced_is_refused_as_images(run, tmp_path):
    pair = run.pairs()[0]

    def replace_picture(folder, lines):
        Image.new("RGB", (33, 44), "white").save(
            folder / next(line for line in lines if line["id"] == pair["prompt_id"])["image"]
        )

    with pytest.raises(ArtifactError, match=r"of other images than training has \(images of \d rows, e.g. ") as caught:
        run.read(prompts=prompts_with(run, tmp_path, replace_picture))
    assert "data of" not in str(caught.value) and "on the images as they are now" in str(caught.value)


def test_another_answer_of_the_same_id_is_refused_as_data(run, tmp_path):
    """The pairs' tokens are not those that were scored, e.g. sampled anew with another seed."""
    first = run.pairs()[0]
    change = changed(first["pair_id"], "pair_id", chosen_tokens=lambda tokens: [*tokens[:-1], tokens[-1] ^ 1])
    pairs = rewritten(run.small.pairs, "pairs", tmp_path / "pairs", change)
    with pytest.raises(ArtifactError, match=f'data of 1 rows, e.g. "{first["chosen_id"]}"'):
        read_pair_data(
            run.vlm, run.small.prompts, pairs, run.confidence, str(run.root), TrainingSettings(**SETTINGS)
        )


def test_the_reference_of_corrupted_images_is_refused_in_the_same_way(run, tmp_path):
    other = run.score_corrupted(tiny_llava(tmp_path / "other", seed=3), tmp_path / "stale")
    with pytest.raises(ArtifactError, match="stale: the reference .* of another model .*; run score_corrupted with"):
        run.read(corrupted=other.path)
    pair_id = run.pairs()[0]["pair_id"]
    change = changed(pair_id, "pair_id", image_sha256="0" * 64, reference_key="0" * 64)
    with pytest.raises(ArtifactError, match=f'images of 1 rows, e.g. "{pair_id}"'):
        run.read(corrupted=rewritten(run.corrupted, "image_reference", tmp_path / "images", change))


def test_a_missing_shard_is_refused_by_its_name(run):
    with pytest.raises(ArtifactError, match="confidence: shards 0/2 given, 1/2 missing"):
        run.read(confidence=run.confidence[:1])
    with pytest.raises(ArtifactError, match="shards 0/2, 1/2, 1/2 given, expected each of one pass once"):
        run.read(confidence=[*run.confidence, run.confidence[1]])


def shard_of(run, candidate_id):
    """Index of the confidence shard that holds a candidate."""
    held = [{row["candidate_id"] for row in read_artifact(path, "confidence").rows()} for path in run.confidence]
    return next(i for i, ids in enumerate(held) if candidate_id in ids)


def with_shard(run, tmp_path, candidate_id, change, rejected=()):
    i = shard_of(run, candidate_id)
    shards = list(run.confidence)
    shards[i] = rewritten(shards[i], "confidence", tmp_path / "changed", change, rejected)
    return shards


def test_a_part_of_the_pass_that_no_pair_needs_is_passed_over(run, tmp_path):
    """Most parts of a large run, after max_pairs or keep_fraction."""
    i = shard_of(run, run.pairs()[0]["chosen_id"])
    old = read_artifact(run.confidence[i], "confidence")
    manifest = old.manifest
    needed = {pair[side] for pair in run.pairs() for side in ("chosen_id", "rejected_id")}
    rows = list(old.rows())
    writer = ArtifactWriter(
        tmp_path / "cut", "confidence", old.settings, manifest["parents"], shard=tuple(manifest["shard"]),
        extra=manifest["extra"],
    )  # fmt: skip
    writer.write_part(0, [row for row in rows if row["candidate_id"] in needed])
    spare = [row for row in rows if row["candidate_id"] not in needed]
    writer.write_part(1, spare or [rows[0] | {"candidate_id": "nobody#0"}])
    shards = list(run.confidence)
    shards[i] = writer.finish(len(rows) + (not spare)).path
    assert read_artifact(shards[i], "confidence").manifest["parts"][1]["rows"]
    assert run.read(confidence=shards).reference.logprobs.keys() == run.read().reference.logprobs.keys()


def test_a_missing_candidate_is_refused_with_the_reason_of_its_rejection(run, tmp_path):
    wanted = run.pairs()[-1]["rejected_id"]
    gone = without(wanted, "candidate_id")
    with pytest.raises(ArtifactError, match=f"no reference log-probs for 1 answers, e.g. '{wanted}'$"):
        run.read(confidence=with_shard(run, tmp_path / "a", wanted, gone))
    rejected = [reject(wanted, "confidence", "log-probs are not finite")]
    with pytest.raises(ArtifactError, match=rf"e.g. '{wanted}' \(log-probs are not finite\)"):
        run.read(confidence=with_shard(run, tmp_path / "b", wanted, gone, rejected))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda tokens: tokens[:-1], "has log-probs of {fewer} tokens, the answer has {count}; run score_confidence"),
        (lambda tokens: [*tokens, -1.0], "has log-probs of {more} tokens, the answer has {count}"),
    ],
)
def test_a_row_that_cannot_be_the_answers_is_refused_by_name(run, tmp_path, values, message):
    pair = run.pairs()[-1]
    count = len(pair["chosen_tokens"])
    told = message.format(count=count, fewer=count - 1, more=count + 1)
    change = changed(pair["chosen_id"], "candidate_id", token_logprobs=values)
    with pytest.raises(ArtifactError, match=f'changed: "{pair["chosen_id"]}" {told}'):
        run.read(confidence=with_shard(run, tmp_path, pair["chosen_id"], change))


def test_a_candidate_that_is_there_twice_is_refused(run, tmp_path):
    wanted = run.pairs()[0]["chosen_id"]

    def doubled(rows):
        return [*rows, next(row for row in rows if row["candidate_id"] == wanted)]

    with pytest.raises(ArtifactError, match=f'the log-probs of "{wanted}" are there twice'):
        run.read(confidence=with_shard(run, tmp_path, wanted, doubled))


def test_a_pair_without_a_corrupted_reference_needs_a_reason(run, tmp_path):
    pair_id = run.pairs()[0]["pair_id"]
    gone = without(pair_id, "pair_id")
    with pytest.raises(ArtifactError, match=f"no reference log-probs for 1 answers, e.g. '{pair_id}'"):
        run.read(corrupted=rewritten(run.corrupted, "image_reference", tmp_path / "a", gone))
    rejected = [reject(pair_id, "not_finite", "log-probs under the corrupted image are not finite")]
    data = run.read(corrupted=rewritten(run.corrupted, "image_reference", tmp_path / "b", gone, rejected))
    assert pair_id not in data.corrupted and len(data.corrupted.rows) == len(run.pairs()) - 1


def test_the_sample_is_drawn_from_all_pairs_by_the_seed():
    assert drawn(1000, 16, seed=1) == drawn(1000, 16, seed=1) != drawn(1000, 16, seed=2)
    assert len(set(drawn(1000, 16, seed=1))) == 16 and drawn(3, 16, seed=0) == [0, 1, 2]
    assert {i for seed in range(60) for i in drawn(8, 2, seed)} == set(range(8)), "no pair is never looked at"


@pytest.mark.parametrize("kind", ["confidence", "image_reference"])
def test_a_moved_log_prob_of_any_pair_stops_the_training_before_its_first_step(run, tmp_path, monkeypatch, kind):
    """The last pair's, with its key untouched; the check meets it in a micro-batch of its own size."""
    pair, sizes = run.pairs()[-1], []
    moved = {"token_logprobs": lambda tokens: [tokens[0] + 0.1, *tokens[1:]]}
    if kind == "confidence":
        change = changed(pair["rejected_id"], "candidate_id", **moved)
        given = {"confidence": with_shard(run, tmp_path, pair["rejected_id"], change)}
    else:
        change = changed(pair["pair_id"], "pair_id", **moved)
        given = {"corrupted": rewritten(run.corrupted, kind, tmp_path / "changed", change)}
    real = branch_rewards.pair_logprobs
    monkeypatch.setattr(
        "groundtune.training.pair_model.pair_logprobs",
        lambda vlm, pairs, **named: sizes.append(len(pairs)) or real(vlm, pairs, **named),
    )
    with pytest.raises(ArtifactError, match=f'reference of "{pair["pair_id"]}": .* differ by 0.1 nats'):
        run.train(tmp_path / "adapter", **given)
    assert max(sizes) <= SETTINGS["pairs_per_microbatch"]


def test_half_precision_is_judged_by_the_mean_of_the_sample_and_by_the_largest_difference():
    old, near, far = torch.zeros(40), torch.zeros(40), torch.zeros(40)
    near[3], far[3] = 0.25, 0.6  # a bfloat16 logit's rounding; more than that
    assert check_sample([near], [old], ["a"], torch.bfloat16) == 0.25
    yes, no = torch.tensor([-1.0]), torch.tensor([-1.25])
    assert check_sample([near, yes], [old, no], ["a", "yes"], torch.bfloat16) == 0.25, "a short answer is no mean"
    with pytest.raises(ArtifactError, match='reference of "b".*differ by 0.6 nats'):
        check_sample([near, far], [old, old], ["a", "b"], torch.bfloat16)
    with pytest.raises(ArtifactError, match=r"differ by 0.1 nats, those of 1 answers by 0.1 on average; the tolerance"):
        check_sample([old + 0.1], [old], ["a"], torch.bfloat16)
    with pytest.raises(ArtifactError, match="differ by 0.25 nats"):
        check_sample([near], [old], ["a"], torch.float32)
    with pytest.raises(ArtifactError, match='reference of "b".*differ by nan nats'):
        check_sample([near, old * torch.nan], [old, old], ["a", "b"], torch.float32)
