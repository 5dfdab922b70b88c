"""A small `nltk_data` folder in the layout and formats that NLTK publishes, trained on a few sentences."""

import json
import random
from pathlib import Path

from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize.punkt import PunktTrainer

_TAGS = {
    "DT": "a the an", "NN": "dog cat cup table tree ball grass person", "NNS": "dogs cats cups trees children people",
    "VBZ": "sits runs stands is", "VBP": "sit run stand are", "IN": "on under near with", "JJ": "red big small green",
    "CC": "and", ".": ".",
}  # fmt: skip
_SHAPES = (
    "DT NN VBZ IN DT NN .", "DT JJ NN VBZ IN DT JJ NN .", "NNS VBP IN DT NN .", "DT NNS CC DT NN VBP IN NNS .",
    "JJ NNS VBP IN DT JJ NN .", "DT NN IN DT NN CC NNS .",
)  # fmt: skip


def write_tagger(root: Path) -> PerceptronTagger:
    """Trains NLTK's perceptron tagger and saves it as its own `save_to_json` does: three JSON files."""
    words = {tag: listed.split() for tag, listed in _TAGS.items()}
    sentences = []
    for number in range(240):
        shape = _SHAPES[number % len(_SHAPES)].split()
        sentences.append([(words[tag][(number + i) % len(words[tag])], tag) for i, tag in enumerate(shape)])
    tagger = PerceptronTagger(load=False)
    state = random.getstate()
    random.seed(0)  # the training shuffles
    tagger.train(sentences, nr_iter=4)
    random.setstate(state)
    folder = root / "taggers" / "averaged_perceptron_tagger_eng"
    folder.mkdir(parents=True)
    for content, name in zip(tagger.encode_json_obj(), tagger.param_files("eng"), strict=True):
        (folder / name).write_text(json.dumps(content))
    return tagger


def write_punkt(root: Path) -> None:
    """Punkt's parameters for a text full of "approx.", as the four files of `punkt_tab`."""
    trainer = PunktTrainer()
    trainer.INCLUDE_ALL_COLLOCS = True
    trainer.train("It is approx. two feet high. There are approx. nine dogs. We saw approx. five cats. " * 20)
    found = trainer.get_params()
    folder = root / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    (folder / "abbrev_types.txt").write_text("\n".join(found.abbrev_types))
    (folder / "sent_starters.txt").write_text("\n".join(found.sent_starters))
    (folder / "collocations.tab").write_text("\n".join("\t".join(pair) for pair in found.collocations))
    (folder / "ortho_context.tab").write_text("\n".join(f"{w}\t{flags}" for w, flags in found.ortho_context.items()))
