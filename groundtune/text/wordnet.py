"""Singular forms by WordNet's noun index: the "morphy" rules of WordNet, as NLTK's WordNetLemmatizer applies them.

Only two of WordNet's files are read, so neither NLTK nor its data package is needed for lemmas.
"""

import re
from pathlib import Path

from groundtune.errors import SettingError

_ENDINGS = (
    ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"),
    ("ies", "y"),
)  # fmt: skip
_VERSION = re.compile(r"WordNet (\d+(?:\.\d+)?\+?) Copyright")
FILES = ("index.noun", "noun.exc")


class WordNetNouns:
    """folder: `index.noun` and `noun.exc` in WordNet's format. SettingError names `wordnet` when they are not there."""

    def __init__(self, folder: Path):
        index, exceptions = (_read(folder, name) for name in FILES)
        # Licence lines begin with a space; the others with the noun, lower case, "_" for a space.
        self._nouns = frozenset(line.split(" ", 1)[0] for line in index if line.strip() and not line.startswith(" "))
        self._exceptions = {forms[0]: forms[1:] for line in exceptions if (forms := line.split())}
        if not self._nouns:
            raise SettingError("wordnet", str(folder), "an index.noun with nouns in it")
        licence = (_VERSION.search(line) for line in index[:40])
        version = next((match[1] for match in licence if match), "of unknown version")
        self.name = f"WordNet {version} ({len(self._nouns)} nouns)"

    def lemma(self, word: str) -> str:
        """The shortest noun that the word may be a form of, the word itself before others; without one, the word.

        Case counts, as in NLTK: WordNet's index is lower case.
        """
        forms = self._exceptions.get(word)
        if forms is None:
            forms = [word.removesuffix(ending) + new for ending, new in _ENDINGS if word.endswith(ending)]
        nouns = [form for form in (word, *forms) if form in self._nouns]
        return min(nouns, key=len) if nouns else word


def _read(folder: Path, name: str) -> list[str]:
    try:
        return (folder / name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            "wordnet",
            str(folder),
            f"a folder with WordNet's {' and '.join(FILES)}, /usr/share/wordnet of the Debian package wordnet-base "
            f"or corpora/wordnet of an nltk_data folder ({name}: {error})",
        ) from error
