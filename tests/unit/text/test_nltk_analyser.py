"""The NLTK analyser: real tokeniser, a tagger trained here and saved in NLTK's format, the real WordNet."""

from pathlib import Path

import pytest

from groundtune.errors import SettingError
from groundtune.text.load import load_analyser
from tests.unit.text.test_wordnet import WORDNET, needs_wordnet

nltk = pytest.importorskip("nltk", reason="THE NLTK ANALYSER IS NOT TESTED: NLTK is not installed (make setup)")

from tests.unit.text.tiny_nltk_data import write_punkt, write_tagger  # noqa: E402

pytestmark = needs_wordnet
TEXT = "The big dog sits on the grass. Dogs and children stand near a tree, it isn't red."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nltk_data")
    write_tagger(root)
    write_punkt(root)
    return root


def load(data: Path, **settings: str):
    return load_analyser("nltk", nltk_data=str(data), wordnet=str(WORDNET), **settings)


def test_words_are_cut_tagged_and_lemmatised_as_nltk_does(tmp_path: Path) -> None:
    tagger = write_tagger(tmp_path)
    words = load(tmp_path).words(TEXT)
    assert [word.text for word in words][-8:] == ["a", "tree", ",", "it", "is", "n't", "red", "."]
    assert [(word.text, word.tag) for word in words] == tagger.tag([word.text for word in words])
    nouns = {word.lemma for word in words if word.tag.startswith("NN")}
    assert nouns >= {"dog", "grass", "child", "tree"}


def test_tokens_are_those_of_word_tokenize(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(data)])
    nltk.tokenize._get_punkt_tokenizer.cache_clear()
    analyser = load(data)
    for text in [TEXT, "It is approx. nine cats. OK?", 'A "cup"; two (red) t-shirts\n\nand he\'s...', "", " ", "🙂 é."]:
        assert analyser.tokens(text) == nltk.word_tokenize(text)
    nltk.tokenize._get_punkt_tokenizer.cache_clear()


def test_without_punkt_sentences_still_end_and_the_name_says_so(tmp_path: Path) -> None:
    write_tagger(tmp_path)
    analyser = load(tmp_path)
    assert [word.text for word in analyser.words("A dog. A cat.")] == ["A", "dog", ".", "A", "cat", "."]
    assert "untrained Punkt" in analyser.name
    assert "not official" in analyser.name


def test_the_name_holds_every_version(data: Path) -> None:
    assert f"nltk {nltk.__version__}" in load(data).name
    assert "WordNet 3.0" in load(data).name
    assert "sha256:" in load(data).name
    assert "equal lemmas" in load(data).name


@pytest.mark.parametrize("part", ["weights", "tagdict", "classes"])
@pytest.mark.parametrize("content", [None, "{oops", "3"])
def test_a_missing_or_broken_file_of_the_tagger_is_named(tmp_path: Path, part: str, content: str | None) -> None:
    write_tagger(tmp_path)
    (file,) = tmp_path.rglob(f"*.{part}.json")
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(SettingError, match=r"setting 'nltk_data'.*averaged_perceptron_tagger_eng"):
        load(tmp_path)


def test_without_a_tagger_there_are_tokens_and_lemmas_but_no_tags(tmp_path: Path) -> None:
    analyser = load_analyser("nltk", wordnet=str(WORDNET))
    assert analyser.tokens("two dogs") == ["two", "dogs"]
    assert analyser.lemma("dogs") == "dog"
    assert "no tagger" in analyser.name
    with pytest.raises(SettingError, match="nltk_data"):
        analyser.words("two dogs")
    with pytest.raises(SettingError, match=r"nltk_data.*weights.json"):
        load(tmp_path).words("two dogs")


def test_a_half_copied_punkt_is_named(tmp_path: Path) -> None:
    write_tagger(tmp_path)
    write_punkt(tmp_path)
    (tmp_path / "tokenizers/punkt_tab/english/sent_starters.txt").unlink()
    with pytest.raises(SettingError, match=r"nltk_data.*sent_starters"):
        load(tmp_path)


def test_wordnet_comes_from_nltk_data_or_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_analyser("nltk").lemma("mice") == "mouse"
    nouns = tmp_path / "corpora" / "wordnet"
    nouns.mkdir(parents=True)
    (nouns / "index.noun").write_text("mice n 1 0 1 0 00000001\n")
    (nouns / "noun.exc").write_text("")
    assert load_analyser("nltk", nltk_data=str(tmp_path)).lemma("mice") == "mice"
    monkeypatch.setattr("groundtune.text.nltk_analyser.SYSTEM_WORDNET", tmp_path / "none")
    with pytest.raises(SettingError, match=r"setting 'wordnet'.*wordnet-base"):
        load_analyser("nltk")


def test_the_official_vectors_are_known_by_the_pipelines_own_name_and_not_its_folders(
    data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("spacy")
    from tests.unit.text.tiny_vectors import write_vectors

    downloaded = write_vectors(tmp_path / "3f2a9c", {"dog": [1.0, 0.0]}, "core_web_lg")  # as from s3://
    other = write_vectors(tmp_path / "en_core_web_lg", {"dog": [1.0, 0.0]}, "core_web_md")
    assert load(data, similarity_model=downloaded).official
    assert not load(data, similarity_model=other).official
    assert not load(data).official
