"""What the pairs of a comparison are worth: the objects that their answers name, held against the drawn scenes.

    python -m bench.pair_truth runs/bench-compare-demo

Ground truth is used to measure, never to choose: the stages see pictures alone. For every method, over all seeds: how
often the chosen and the rejected answer name an object that is not there, and whether the pair is ordered as the truth
would order it, by objects or, where these are alike, by a wrong colour. For the pools: how often MAS orders two answers
right whose numbers of hallucinated objects differ.
"""

import argparse
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import describe
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.benchmarks.suite.chair import object_counts
from groundtune.benchmarks.suite.vocabulary import Vocabulary, read_vocabulary
from groundtune.demo.drawn_world import DRAWN_WORLD

DATA, OUT = Path("runs/demo/data"), Path("bench/results/pair_truth.json")
COLOURED = re.compile(rf"\b({'|'.join(DRAWN_WORLD.inventory.colours)}) (\w+)")
SEED = 0  # of the demo's prompts: the default of `python -m groundtune.demo write`


class Truth:
    """CHAIR's counts of any answer to a prompt of the demo."""

    def __init__(self, data: Path):
        prompts = [json.loads(line)["id"] for line in (data / "prompts.jsonl").read_text().splitlines()]
        scenes = DRAWN_WORLD.scenes(SEED, "prompts", len(prompts))
        self.scenes = dict(zip(prompts, scenes, strict=True))
        self.vocabulary: Vocabulary = read_vocabulary(str(data / "eval" / "vocabulary.json"))

    def counts(self, prompt: str, answer: str) -> Mapping[str, float]:
        return object_counts(self.vocabulary.object_words(answer), set(self.scenes[prompt].kinds))

    def miscoloured(self, prompt: str, answer: str) -> bool:
        """Whether the answer gives a thing that is there a colour that it has not."""
        there = {(entity.colour, entity.kind) for entity in self.scenes[prompt].entities}
        kinds = {kind for _, kind in there}
        said = {(colour, self.vocabulary.object_of(noun)) for colour, noun in COLOURED.findall(answer)}
        return any(kind in kinds and (colour, kind) not in there for colour, kind in said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="work folder of `python -m pipelines run compare --preset demo`")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    tables = Path(json.loads((given.work / "result.json").read_text())["tables"])
    study = json.loads((tables / "comparison.json").read_text())
    names, seeds, truth = [one["name"] for one in study["methods"]], study["seeds"], Truth(given.data)
    pairs = pairs_of(given.work, study)
    found = {
        "seeds": seeds,
        "methods": {name: figures([list(pairs[name, seed].rows()) for seed in seeds], truth) for name in names},
        "pools": ordered_by_mas(pools_of(given.work, pairs.values()), truth),
        "machine": describe(f"python -m bench.pair_truth {given.work}"),
    }
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def pairs_of(work: Path, study: Mapping[str, Any]) -> dict[tuple[str, int], Artifact]:
    """(method, seed) -> its pairs, found from the study by digests: a work folder may hold other runs' as well."""
    joined = _by_digest(work, "join-seed/comparison")
    adapters = _by_digest(work, "train-method/adapter")
    found = {}
    for seed, digest in study["provenance"]["comparisons"].items():
        parents = read_artifact(joined[digest], "comparison").manifest["parents"]
        for method in study["methods"]:
            adapter = adapters[parents[f"adapter {method['name']}"]]
            found[method["name"], int(seed)] = read_artifact(adapter.parent / "pairs", "pairs")
    return found


def pools_of(work: Path, pairs: Iterable[Artifact]) -> list[Artifact]:
    """The scores of the pools that these pairs were chosen from."""
    scores = _by_digest(work, "make-pool/scores")
    asked = sorted({one.manifest["parents"]["scores"] for one in pairs} & set(scores))
    return [read_artifact(scores[digest], "scores") for digest in asked]


def _by_digest(work: Path, place: str) -> dict[str, Path]:
    files = (work / "artifacts").rglob(f"{place}/manifest.json")
    return {json.loads(file.read_text())["digest"]: file.parent for file in files}


def figures(seeds: list[list[Row]], truth: Truth) -> dict[str, float]:
    """Means over the pairs of all seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    for pair in itertools.chain.from_iterable(seeds):
        sides = {side: truth.counts(pair["prompt_id"], pair[side]) for side in ("chosen", "rejected")}
        wrong = {side: counts["hallucinated_words"] for side, counts in sides.items()}
        for side, counts in sides.items():
            values[f"{side}_hallucinates"].append(float(wrong[side] > 0))
            values[f"{side}_covers"].append(counts["covered_objects"] / counts["true_objects"])
            values[f"{side}_confidence"].append(pair[f"{side}_confidence"])
            values[f"{side}_tokens"].append(len(pair[f"{side}_tokens"]))
        miscoloured = {side: truth.miscoloured(pair["prompt_id"], pair[side]) for side in sides}
        alike = wrong["chosen"] == wrong["rejected"]
        values["right"].append(float(wrong["chosen"] < wrong["rejected"]))
        values["right_by_colour"].append(float(alike and miscoloured["rejected"] and not miscoloured["chosen"]))
        values["wrong"].append(float(wrong["chosen"] > wrong["rejected"]))
    return {name: float(np.mean(numbers)) for name, numbers in values.items()} | {"pairs": len(values["right"])}


def ordered_by_mas(pools: list[Artifact], truth: Truth) -> dict[str, float]:
    """Of two finished answers of a pool whose hallucinated words differ in number: the share in which the one with
    fewer has the higher MAS; equal ones count half."""
    right: list[float] = []
    hallucinates: list[float] = []
    for scores in pools:
        by_prompt: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for row in scores.rows():
            if row["finished"]:
                wrong = truth.counts(row["prompt_id"], row["text"])["hallucinated_words"]
                by_prompt[row["prompt_id"]].append((wrong, row["mas"]))
                hallucinates.append(float(wrong > 0))
        for answers in by_prompt.values():
            for (less, mas), (more, other) in itertools.combinations(sorted(answers), 2):
                if less < more:
                    right.append(float(mas > other) + 0.5 * float(mas == other))
    return {"ordered_right": float(np.mean(right)), "hallucinates": float(np.mean(hallucinates)), "pools": len(pools)}


if __name__ == "__main__":
    main()
