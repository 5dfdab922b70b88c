"""Text analysis as AMBER's authors do it: NLTK's words and perceptron tags, WordNet's lemmas, spaCy's vectors."""

from functools import cached_property
from pathlib import Path

import nltk
from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize import NLTKWordTokenizer

from groundtune.errors import SettingError
from groundtune.text.analysis import TextAnalyser, Word
from groundtune.text.likeness import load_likeness
from groundtune.text.nltk_data import PUNKT, WORDNET, has_tagger, load_punkt, load_tagger
from groundtune.text.wordnet import WordNetNouns

OFFICIAL_SIMILARITY = "en_core_web_lg"  # AMBER's
SYSTEM_WORDNET = Path("/usr/share/wordnet")  # of the Debian package wordnet-base


class NltkAnalyser(TextAnalyser):
    """Reads local folders only: nothing is downloaded, NLTK's own search path is not used."""

    def __init__(self, nltk_data: str, wordnet: str = "", similarity_model: str = ""):
        """nltk_data: folder with Punkt and the tagger; "" is without both: words are then cut by untrained Punkt, and
        `words` is refused, as it needs tags, while `tokens` and `lemma` work. wordnet: folder with WordNet's files; ""
        is corpora/wordnet below nltk_data, else SYSTEM_WORDNET. similarity_model: a spaCy pipeline with vectors; ""
        compares lemmas.
        """
        self._folder = nltk_data
        self._sentences, trained = load_punkt(Path(nltk_data or "/nonexistent"))
        self._cutter = NLTKWordTokenizer()
        self._nouns = WordNetNouns(_wordnet_folder(nltk_data, wordnet))
        self._lemmas: dict[str, str] = {}
        self._likeness = load_likeness(similarity_model, self.lemma)
        tags = f"perceptron tags sha256:{self._tagger[1][:12]}" if has_tagger(Path(nltk_data)) else "no tagger"
        self.official = trained and tags != "no tagger" and self._likeness.model == OFFICIAL_SIMILARITY
        self.name = (
            f"nltk {nltk.__version__}{'' if self.official else ' (not official)'}: Treebank tokens, "
            f"{Path(PUNKT).parent.name + ' english' if trained else 'untrained Punkt'}, {tags}, {self._nouns.name} "
            f"lemmas, {self._likeness.name}"
        )

    def tokens(self, text: str) -> list[str]:
        return [token for sentence in self._sentences.tokenize(text) for token in self._cutter.tokenize(sentence)]

    def words(self, text: str) -> list[Word]:
        # All sentences of a text are tagged as one, as NLTK's pos_tag(word_tokenize(text)) does.
        return [Word(token, tag, self.lemma(token)) for token, tag in self._tagger[0].tag(self.tokens(text))]

    def lemma(self, word: str) -> str:
        found = self._lemmas.get(word)
        if found is None:
            found = self._lemmas[word] = self._nouns.lemma(word)
        return found

    def similarity(self, first: str, second: str) -> float:
        return self._likeness(first, second)

    @cached_property
    def _tagger(self) -> tuple[PerceptronTagger, str]:
        if not self._folder:
            raise SettingError("nltk_data", "", "the folder of NLTK's data, for its tagger of parts of speech")
        return load_tagger(Path(self._folder))


def _wordnet_folder(nltk_data: str, wordnet: str) -> Path:
    if wordnet:
        return Path(wordnet)
    below = Path(nltk_data, WORDNET)
    return below if nltk_data and below.is_dir() else SYSTEM_WORDNET
