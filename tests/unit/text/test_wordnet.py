"""Lemmas by WordNet: small made files for the rules, the real WordNet against NLTK's own lemmatiser."""

import io
import warnings
from pathlib import Path

import pytest

from groundtune.errors import SettingError
from groundtune.text.wordnet import WordNetNouns

WORDNET = Path("/usr/share/wordnet")
needs_wordnet = pytest.mark.skipif(
    not (WORDNET / "index.noun").is_file(),
    reason=f"LEMMAS ARE NOT TESTED ON THE REAL WORDNET: no {WORDNET} (apt-get install wordnet-base)",
)


def small(folder: Path, nouns: str, exceptions: str = "") -> WordNetNouns:
    lines = ["  1 WordNet 3.0 Copyright 2006"] + [f"{noun} n 1 0 1 0 00000001" for noun in nouns.split()]
    (folder / "index.noun").write_text("\n".join(lines) + "\n")
    (folder / "noun.exc").write_text(exceptions)
    return WordNetNouns(folder)


def test_the_shortest_noun_that_a_word_may_be_a_form_of_is_its_lemma(tmp_path: Path) -> None:
    nouns = small(tmp_path, "glass glasses us u man leaf box dish berry goose", "geese goose\n")
    words = ["glasses", "us", "men", "leaves", "boxes", "dishes", "berries", "geese", "glass", "Glasses", "dogs", "s"]
    lemmas = ["glass", "u", "man", "leaf", "box", "dish", "berry", "goose", "glass", "Glasses", "dogs", "s"]
    assert [nouns.lemma(word) for word in words] == lemmas
    assert nouns.name == "WordNet 3.0 (10 nouns)"


def test_an_exception_replaces_the_rules(tmp_path: Path) -> None:
    assert small(tmp_path, "axis ax axe", "axes axis axe\n").lemma("axes") == "axe"


@pytest.mark.parametrize("missing", ["index.noun", "noun.exc"])
def test_a_missing_file_is_named_with_the_setting(tmp_path: Path, missing: str) -> None:
    small(tmp_path, "dog")
    (tmp_path / missing).unlink()
    with pytest.raises(SettingError, match=rf"setting 'wordnet'.*{missing}"):
        WordNetNouns(tmp_path)


def test_an_empty_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="with nouns in it"):
        small(tmp_path, "")


@needs_wordnet
def test_lemmas_are_those_of_nltks_lemmatiser_on_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    nltk = pytest.importorskip("nltk", reason="LEMMAS ARE NOT COMPARED WITH NLTK'S: it is not installed (make setup)")
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.stem import WordNetLemmatizer

    class Reader(WordNetCorpusReader):
        """On Debian's files: they lack `lexnames`, a list of names that no lemma needs."""

        def open(self, file: str) -> object:
            return io.StringIO("") if file == "lexnames" else super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:
            return None  # a mapping to another WordNet, looked for in nltk_data

    monkeypatch.setattr(nltk.data, "path", [str(WORDNET)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = Reader(str(WORDNET), None)
    monkeypatch.setattr(nltk.corpus, "wordnet", reader)
    theirs, ours = WordNetLemmatizer(), WordNetNouns(WORDNET)
    nouns = sorted(reader.all_lemma_names("n"))[::7]
    words = [noun + ending for noun in nouns for ending in ("", "s", "es", "men", "ves", "ies")]
    words += [line.split()[0] for line in (WORDNET / "noun.exc").read_text().splitlines()]
    words += ["Dogs", "DOGS", "", "s", "us", "boss", "knives", "people", "scissors", "skis", "'s", "é"]
    assert len(words) > 50_000
    assert [ours.lemma(word) for word in words] == [theirs.lemmatize(word) for word in words]
