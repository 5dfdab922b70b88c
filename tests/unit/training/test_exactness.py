"""The training step is plain DPO: the same loss and the same gradients as two ordinary passes an answer, written here
with transformers and peft alone, whatever the step shares, packs, accumulates or computes again."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback

from groundtune.settings import TrainingSettings
from groundtune.training import branch_rewards, stage
from groundtune.training.curriculum import schedule_of
from groundtune.training.pair_data import PairExample
from groundtune.training.pair_model import PairModel
from groundtune.training.pair_trainer import PairTrainer
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.prompt import encode_prefix
from tests.tiny_checkpoints import CHAT_TEMPLATE, tiny_llava, tiny_llava_next

LOSS, GRADIENT = 1e-6, 1e-5  # float32: nats; norm of the difference over the norm
BETA, ETA = 0.1, 0.2
SETTINGS = {
    "pairs_per_step": 4, "pairs_per_microbatch": 4, "lora_rank": 4, "lora_alpha": 8, "beta": BETA, "eta": ETA,
    "max_grad_norm": 0.0,
}  # fmt: skip
WEIGHTS = {"text_weight": 0.7, "image_weight": 1.3, "anchor_weight": 0.5}
PLAIN = {"text_weight": 1.0, "image_weight": 0.0, "anchor_weight": 0.0}


@dataclass(frozen=True)
class Wanted:
    """One preference as a person would write it down."""

    name: str
    instruction: str
    image: Image.Image
    chosen: list[int]
    rejected: list[int]
    corrupted: Image.Image | None
    weight: float


def picture(seed: int, height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def preferences(with_images: bool) -> list[Wanted]:
    """Four pairs; the first and the last are of one prompt and hold the same chosen answer; one has no corrupted image
    of its own, and one answer is a single token."""
    shared, other, long = [40, 51, 62, 73, 84, 2], [90, 91, 92, 2], list(range(100, 131))
    tall, wide, square = picture(1, 70, 30), picture(2, 30, 80), picture(3, 28, 28)
    pairs = [
        Wanted("a#0", "What is in the picture?", tall, shared, other, picture(11, 70, 30), 1.0),
        Wanted("b#0", "Describe this image.", wide, long, [33, 2], picture(12, 30, 80), 0.5),
        Wanted("c#0", "Is there a cat?", square, [2], shared, None, 1.0),
        Wanted("a#1", "What is in the picture?", tall, shared, long[:9], picture(13, 70, 30), 2.0),
    ]
    return pairs if with_images else [replace(pair, corrupted=None) for pair in pairs]


class Examples(list):
    """What a PairTrainer needs of its data: the pairs in their order."""

    def __init__(self, pairs: list[PairExample]):
        super().__init__(pairs)
        self.schedule = schedule_of([1] * len(pairs), "easy_to_hard", 1, len(pairs), 0)


@dataclass(frozen=True)
class Step:
    """loss: of an optimizer step over four pairs; gradients: of every LoRA weight by its name."""

    loss: float
    gradients: dict[str, Tensor]


class Seen(PairTrainer):
    """Keeps the loss of each micro-batch."""

    losses: tuple[float, ...] = ()

    def compute_loss(self, *given, **named):
        loss = super().compute_loss(*given, **named)
        self.losses = (*self.losses, float(loss.detach()))
        return loss


class Gradients(TrainerCallback):
    """Keeps the gradients with which the optimizer steps."""

    def __init__(self):
        self.found: dict[str, Tensor] = {}

    def on_pre_optimizer_step(self, args, state, control, model=None, **named):
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                self.found[short(name)] = weight.grad.detach().clone()


def short(name: str) -> str:
    return name[name.index("language_model") :]


def fill(name: str, weight: Tensor) -> None:
    """The same LoRA weights in every model; none zero, so that every weight has a gradient."""
    generator = torch.Generator().manual_seed(sum(short(name).encode()))
    weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.1)


def ours(path, folder, pairs, dtype="float32", checkpointing=False, **changes) -> Step:
    """One optimizer step as train_dpo takes it, the reference from the pass of score_confidence and score_corrupted."""
    settings = TrainingSettings(**{**SETTINGS, **changes, "gradient_checkpointing": checkpointing})
    vlm = load_vlm(path, device="cpu", dtype=dtype)

    def example(pair: Wanted) -> PairExample:
        prefix = encode_prefix(vlm, pair.name, pair.instruction, pair.image)
        corrupted = encode_prefix(vlm, pair.name, pair.instruction, pair.corrupted) if pair.corrupted else None
        with torch.no_grad():
            w, lost = branch_logprobs(vlm, [prefix], [[pair.chosen, pair.rejected]])[0]
            under = branch_logprobs(vlm, [corrupted], [[pair.chosen]])[0][0] if corrupted else None
        return PairExample(pair.name, prefix, pair.chosen, pair.rejected, w, lost, pair.weight, corrupted, under)

    data = Examples([example(pair) for pair in pairs])
    stage.add_lora(vlm, settings)
    if checkpointing:
        vlm.base.activation_checkpointing_enable({"use_reentrant": False})
    for name, weight in vlm.model.named_parameters():
        if weight.requires_grad:
            fill(name, weight)
    trainer, gradients = Seen(PairModel(vlm), data, settings, folder), Gradients()
    trainer.add_callback(gradients)
    trainer.train()
    return Step(sum(trainer.losses), gradients.found)


def plain(path, pairs, weights) -> Step:
    """Two ordinary passes an answer, each with its own image, over all positions and the whole vocabulary."""
    processor = AutoProcessor.from_pretrained(path)
    targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    base = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM")).eval()
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            fill(name, weight)

    def belief(pair: Wanted, image: Image.Image, answer: list[int]) -> Tensor:
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": pair.instruction}]}]
        text = processor.apply_chat_template(turn, add_generation_prompt=True, chat_template=CHAT_TEMPLATE)
        inputs = processor(images=[image], text=[text], return_tensors="pt")
        ids = torch.cat([inputs.pop("input_ids"), torch.tensor([answer])], dim=1)
        inputs["attention_mask"] = torch.ones_like(ids)
        logits = model(input_ids=ids, **inputs).logits[:, :-1].float()
        logprobs = F.log_softmax(logits, dim=-1).gather(-1, ids[:, 1:, None])[0, :, 0]
        return logprobs[-len(answer) :].sum()

    def reward(pair: Wanted, image: Image.Image, answer: list[int]) -> Tensor:
        with torch.no_grad(), model.disable_adapter():
            reference = belief(pair, image, answer)
        return BETA * (belief(pair, image, answer) - reference)

    loss = torch.zeros(())
    for pair in pairs:
        chosen, rejected = reward(pair, pair.image, pair.chosen), reward(pair, pair.image, pair.rejected)
        terms = -weights["text_weight"] * F.logsigmoid(chosen - rejected)
        terms = terms - weights["anchor_weight"] * F.logsigmoid(chosen - ETA)
        if pair.corrupted is not None:
            corrupted = reward(pair, pair.corrupted, pair.chosen)
            terms = terms - weights["image_weight"] * F.logsigmoid(chosen - corrupted)
        loss = loss + pair.weight * terms / len(pairs)
    loss.backward()
    gradients = {short(name): weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    return Step(float(loss.detach()), gradients)


def distances(step: Step, other: Step) -> dict[str, float]:
    """Of every LoRA weight's gradient: norm of the difference over the norm."""
    assert step.gradients.keys() == other.gradients.keys()
    found = {name: step.gradients[name].float() - gradient for name, gradient in other.gradients.items()}
    assert all(gradient.norm() > 0 for gradient in other.gradients.values()), "a gradient of zero proves nothing"
    return {name: float(found[name].norm() / gradient.norm()) for name, gradient in other.gradients.items()}


@pytest.fixture(scope="module", params=["llava", "llava_next"])
def path(request, tmp_path_factory):
    make = {"llava": tiny_llava, "llava_next": tiny_llava_next}[request.param]
    return make(tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module", params=["text", "text and image"])
def expected(request, path):
    """(path, pairs, weights of the objective, the plain step over them)."""
    with_images = request.param == "text and image"
    pairs, weights = preferences(with_images), WEIGHTS if with_images else PLAIN
    return path, pairs, weights, plain(path, pairs, weights)


@pytest.mark.parametrize(
    "changes",
    [{}, {"checkpointing": True}, {"pairs_per_microbatch": 2}, {"pairs_per_microbatch": 1, "checkpointing": True}],
    ids=["one microbatch", "checkpointing", "two microbatches", "four microbatches, checkpointing"],
)
def test_loss_and_every_gradient_are_those_of_plain_dpo(expected, tmp_path, changes):
    path, pairs, weights, right = expected
    step = ours(path, tmp_path, pairs, **weights, **changes)
    assert step.loss == pytest.approx(right.loss, abs=LOSS)
    worst = max(distances(step, right).items(), key=lambda item: item[1])
    assert worst[1] <= GRADIENT, worst


def test_bfloat16_weights_train_float32_lora_close_to_float32(expected, tmp_path):
    path, pairs, weights, right = expected
    step = ours(path, tmp_path, pairs, dtype="bfloat16", **weights)
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in step.gradients.values())
    assert step.loss == pytest.approx(right.loss, rel=0.01)
    found = torch.cat([step.gradients[name].flatten() for name in right.gradients])
    wanted = torch.cat([gradient.flatten() for gradient in right.gradients.values()])
    assert float(F.cosine_similarity(found, wanted, dim=0)) > 0.998


def layouts(path, pairs, monkeypatch):
    """What the step hands to branch_logprobs: [(prefix, its answers)]."""
    handed = []
    real = branch_rewards.branch_logprobs

    def watched(vlm, prefixes, branches, **named):
        handed.append([(prefix.record_id, answers) for prefix, answers in zip(prefixes, branches, strict=True)])
        return real(vlm, prefixes, branches, **named)

    monkeypatch.setattr(branch_rewards, "branch_logprobs", watched)
    vlm = load_vlm(path, device="cpu")
    empty = torch.empty(0)
    examples = [
        PairExample(
            pair.name, encode_prefix(vlm, pair.name, pair.instruction, pair.image), pair.chosen, pair.rejected,
            empty, empty, 1.0,
            encode_prefix(vlm, pair.name, pair.instruction, pair.corrupted) if pair.corrupted else None,
        )
        for pair in pairs
    ]  # fmt: skip
    with torch.no_grad():
        together = branch_rewards.pair_logprobs(vlm, examples)
        alone = [branch_rewards.pair_logprobs(vlm, [example])[0] for example in examples]
    for one, other in zip(together, alone, strict=True):
        for values, same in zip(one, other, strict=True):
            torch.testing.assert_close(values, same, atol=1e-5, rtol=0)
    return handed[0]


def test_pairs_of_one_prompt_share_its_prefix_and_equal_answers_run_once(path, monkeypatch):
    pairs = preferences(with_images=True)
    a, b, c, d = pairs
    assert layouts(path, pairs, monkeypatch) == [
        ("a#0", [a.chosen, a.rejected, d.rejected]),  # y_w of a and of d is one
        ("b#0", [b.chosen, b.rejected]),
        ("c#0", [c.chosen, c.rejected]),
        ("a#0", [a.chosen]),  # under the corrupted images, each its own
        ("b#0", [b.chosen]),
        ("a#1", [d.chosen]),
    ]


def test_equal_corrupted_images_share_a_row_and_equal_pixels_alone_do_not(path, monkeypatch):
    """Two pairs whose images were destroyed alike; and another question about the same picture."""
    a, *_, d = preferences(with_images=True)
    other = replace(a, name="e#0", instruction="Describe this image.", corrupted=None)
    found = layouts(path, [a, replace(d, corrupted=a.corrupted), other], monkeypatch)
    assert found == [
        ("a#0", [a.chosen, a.rejected, d.rejected]),
        ("e#0", [other.chosen, other.rejected]),
        ("a#0", [a.chosen]),
    ]
