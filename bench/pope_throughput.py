"""How much faster are POPE's questions answered in batches that share an image's prefill than one at a time?

    python -m bench.pope_throughput

Side by side on the same questions and weights, greedy, with the same limit of new tokens: each question by itself as it
is usually written (processor, then `generate` of plain transformers), our own path with one question a batch, and ours
as an evaluation runs it. Pictures are read from disk and preprocessed inside the measured time by all of them. Taken
in turn on a few pictures at a time, several rounds; answers are compared. The demo model on its own POPE, and a random
model with the proportions of LLaVA-1.5-7B (576 image tokens). Writes bench/results/pope_throughput.json; only the
ratios mean anything.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

from bench.machine import describe
from bench.objective_step import model_in_proportion
from groundtune.benchmarks.answering import answer_part
from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_set import load_questions
from groundtune.demo import LLAVA_CHECKPOINT
from groundtune.demo.dataset import write_demo
from groundtune.images import ImageStore
from groundtune.settings import EvaluationSettings
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import render

OUT = Path("bench/results/pope_throughput.json")
SPLITS = ("random", "popular", "adversarial")
NEW_TOKENS = 4
BATCH = 128  # as in the preset of the demo
WIDE = (336, 336)  # what the model in proportion reads

Answers = dict[str, str]  # record id -> answer


def settings_of(splits: Sequence[str], batch: int) -> EvaluationSettings:
    return EvaluationSettings(
        benchmarks={f"pope_{split}": f"pope_{split}.jsonl" for split in splits},
        max_yes_no_tokens=NEW_TOKENS,
        questions_per_batch=batch,
    )


class Plain:
    """One question a call, as transformers' documentation shows it; each picture is opened and encoded again.

    never: token ids that random weights would say and that ours never says, the image placeholder and unused rows.
    """

    def __init__(self, checkpoint: Path, root: Path, device: torch.device, never: Sequence[int]):
        self.processor = AutoProcessor.from_pretrained(checkpoint, local_files_only=True)
        model = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, local_files_only=True)
        self.model = model.eval().to(device)
        self.root = root
        self.never = {"suppress_tokens": list(never)} if never else {}

    def __call__(self, questions: Sequence[Question]) -> Answers:
        answers = {}
        for question in questions:
            with Image.open(self.root / question.image) as picture:
                image = picture.convert("RGB")
            prompt = render(self.processor, question.text)
            special = not prompt.startswith(self.processor.tokenizer.bos_token)
            inputs = self.processor(images=image, text=prompt, return_tensors="pt", add_special_tokens=special)
            inputs = inputs.to(self.model.device)
            made = self.model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS, **self.never)
            new = made[0, inputs["input_ids"].shape[1] :]
            answers[question.record_id] = self.processor.decode(new, skip_special_tokens=True).strip()
        return answers


class Ours:
    """What an evaluation does between reading the questions and writing the answers."""

    def __init__(self, vlm: Vlm, root: Path, settings: EvaluationSettings, benchmarks: dict[str, Any]):
        self.vlm, self.settings, self.benchmarks = vlm, settings, benchmarks
        self.store = ImageStore(str(root))

    def __call__(self, questions: Sequence[Question]) -> Answers:
        answered, rejected = answer_part(self.vlm, questions, self.benchmarks, self.store, self.settings)
        assert not rejected
        return {one.question.record_id: one.answer.strip() for one in answered}


def compared(one: Answers, other: Answers) -> dict[str, Any]:
    """Share of equal answers, and the first that are not."""
    assert one.keys() == other.keys()
    unlike = [(name, one[name], other[name]) for name in one if one[name] != other[name]]
    return {"equal": 1 - len(unlike) / len(one), "of": len(one), "unlike": unlike[:5]}


def measure(ways: dict[str, Callable[[Sequence[Question]], Answers]], questions: list[Question], rounds: int) -> dict:
    """Questions a second of each way by round, the ratios of `ours` to the others, and how far the answers agree."""
    for way in ways.values():
        way(questions[:8])  # what is done once (kernels, the test that sharing is exact) is no part of the figure
    rates: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Answers] = {name: {} for name in ways}
    for turn in range(rounds):
        seconds = dict.fromkeys(ways, 0.0)
        for place, piece in enumerate(pieces(questions)):
            for name in list(ways) if (turn + place) % 2 == 0 else list(ways)[::-1]:
                began = time.perf_counter()
                answers[name] |= ways[name](piece)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                seconds[name] += time.perf_counter() - began
        for name, spent in seconds.items():
            rates[name].append(len(questions) / spent)
    found: dict[str, Any] = {
        "questions": len(questions),
        "images": len({question.image for question in questions}),
        "most_common_answers": dict(Counter(answers["ours"].values()).most_common(3)),
        "distinct_answers": len(set(answers["ours"].values())),
        "questions_per_second": {name: statistics.median(values) for name, values in rates.items()},
    }
    for name in list(ways)[1:]:
        ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[name], strict=True)]
        found[f"ours_to_{name}"] = {
            "median": statistics.median(ratios),
            "low": min(ratios),
            "high": max(ratios),
            "answers": compared(answers["ours"], answers[name]),
        }
    return found


def pieces(questions: Sequence[Question]) -> list[list[Question]]:
    """Some pictures with all their questions at a time: what else runs on a shared machine then falls on every way."""
    of_image: dict[str, list[Question]] = {}
    for question in questions:
        of_image.setdefault(question.image, []).append(question)
    cut: list[list[Question]] = []
    for asked in of_image.values():
        if not cut or len(cut[-1]) + len(asked) > BATCH:
            cut.append([])
        cut[-1] += asked
    return cut


def case(
    checkpoint: Path,
    vlm: Vlm,
    root: Path,
    splits: Sequence[str],
    count: int,
    batch: int,
    rounds: int,
    never: Sequence[int] = (),
) -> dict[str, Any]:
    asked = load_questions(str(root), settings_of(splits, batch))
    ways: dict[str, Callable[[Sequence[Question]], Answers]] = {
        "ours": Ours(vlm, root, settings_of(splits, batch), asked.benchmarks),
        "plain_transformers": Plain(checkpoint, root, vlm.device, never),
        "one_a_batch": Ours(vlm, root, settings_of(splits, 1), asked.benchmarks),
    }
    return {"splits": list(splits), "questions_per_batch": batch, **measure(ways, asked.questions[:count], rounds)}


def enlarge(folder: Path) -> None:
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.resize(WIDE).save(path)


def sharpened(folder: Path, device: str) -> Vlm:
    """A random model that attends to something: with weights as they are drawn it would answer every question alike,
    and equal answers would say nothing."""
    vlm = model_in_proportion(folder, device)
    with torch.no_grad():
        for name, parameter in vlm.base.named_parameters():
            if "language_model" in name and "_proj" in name:
                parameter *= 8
    vlm.base.save_pretrained(folder / "model")
    return load_vlm(folder / "model", device=device)


def unsayable(vlm: Vlm) -> list[int]:
    rows = vlm.base.get_output_embeddings().weight.shape[0]
    return [vlm.config.image_token_id, *range(len(vlm.tokenizer), rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=40, help="pictures of the demo world")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_demo(folder / "demo", prompts=1, evaluation=given.pictures, seed=0)
        root, vlm = folder / "demo" / "eval", load_vlm(LLAVA_CHECKPOINT, device=given.device)
        for title, splits in (("demo model, one split", SPLITS[:1]), ("demo model, three splits", SPLITS)):
            found[title] = case(LLAVA_CHECKPOINT, vlm, root, splits, 10**9, BATCH, given.rounds)
            print(title, json.dumps(found[title], indent=1), flush=True)
        wide = sharpened(folder / "wide", given.device)
        enlarge(root / "images")
        title = "proportions of LLaVA-1.5-7B, random weights, one split"
        found[title] = case(
            folder / "wide" / "model", wide, root, SPLITS[:1], 48, 24, min(given.rounds, 3), unsayable(wide)
        )
        print(title, json.dumps(found[title], indent=1), flush=True)
    machine = describe(" ".join(["python", "-m", "bench.pope_throughput", *sys.argv[1:]]))
    result = {"new_tokens": NEW_TOKENS, "cases": found, "machine": machine}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {OUT}")


if __name__ == "__main__":
    main()
