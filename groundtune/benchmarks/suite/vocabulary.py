"""Object names in a caption, found by rules: words, singular forms, two-word names, synonyms."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.text.analysis import TextAnalyser
from groundtune.text.plain import PlainAnalyser

PLAIN = PlainAnalyser()
_ANIMALS = (
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal", "cub",
)  # fmt: skip
# CHAIR's special names for COCO. "home plate" and "train track" stand for themselves: no plate, no train.
COCO_NAMES: dict[tuple[str, ...], str] = {
    ("home", "plate"): "home plate",
    ("train", "track"): "train track",
    ("bow", "tie"): "tie",
    ("toilet", "seat"): "toilet",
    ("wine", "glas"): "wine glass",
    **{(age, animal): animal for age in ("baby", "adult") for animal in _ANIMALS},
    **{("passenger", vehicle): vehicle for vehicle in ("jet", "train")},
}


@dataclass(frozen=True)
class Vocabulary:
    """The objects that CHAIR knows.

    objects: surface form ("hot dog", "puppy") -> object. merged: the words of a name -> the surface form that
    they become. seat_rule: drop "seat" when "toilet" is there (COCO). known: every word that a plural may be
    reduced to.
    """

    objects: dict[str, str]
    merged: dict[tuple[str, ...], str]
    seat_rule: bool = False
    known: frozenset[str] = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        words = {word for name in self.objects for word in name.split()}
        object.__setattr__(self, "known", frozenset(words.union(*self.merged)))
        object.__setattr__(self, "longest", max((len(words) for words in self.merged), default=1))

    def object_words(self, text: str, analyser: TextAnalyser = PLAIN) -> list[str]:
        """The object of every object word in the order of the text; a repeated object counts again."""
        return self.objects_of([word for word, _ in self.merged_words(analyser.tokens(text.lower()), analyser)])

    def objects_of(self, words: Sequence[str]) -> list[str]:
        """The objects among lemmas and names; the rest is passed over."""
        if self.seat_rule and "toilet" in words:
            words = [word for word in words if word != "seat"]
        return [self.objects[word] for word in words if word in self.objects]

    def object_of(self, name: str) -> str | None:
        """The object that a name of the ground truth stands for; None when the vocabulary lacks it."""
        return self.objects.get(name.lower().strip())

    def merged_words(self, tokens: Iterable[str], analyser: TextAnalyser = PLAIN) -> list[tuple[str, int]]:
        """Lower-case tokens as lemmas, the words of a name made one -> (lemma or name, number of its tokens)."""
        words = [analyser.known_form(token, self.known) for token in tokens]
        merged, at = [], 0
        while at < len(words):
            for size in range(min(self.longest, len(words) - at), 0, -1):
                name = self.merged.get(tuple(words[at : at + size]))
                if name is not None or size == 1:
                    merged.append((name if name is not None else words[at], size))
                    at += size
                    break
        return merged


def read_vocabulary(uri: str) -> Vocabulary:
    """JSON {object: [surface forms]}, or the COCO synonym table: comma-separated lines, the first name is the
    object.

    Raises SettingError that says which object or line is wrong.
    """
    try:
        text = storage.read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingError("vocabulary", uri, f"a file of UTF-8 text ({error})") from error
    return vocabulary_of(text, uri)


def vocabulary_of(text: str, where: str) -> Vocabulary:
    """`read_vocabulary` of a text that came from `where`."""
    return _from_json(text, where) if text.lstrip().startswith("{") else _from_table(text, where)


def _from_json(text: str, uri: str) -> Vocabulary:
    try:
        table = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingError("vocabulary", uri, f"a JSON object ({error})") from error
    objects: dict[str, str] = {}
    for name, forms in table.items():
        if not isinstance(forms, list) or not all(isinstance(form, str) and form.strip() for form in forms):
            raise SettingError("vocabulary", forms, f"a list of surface forms for object {name!r}", uri)
        _add(objects, _normal(name), [_normal(form) for form in (name, *forms)], uri)
    if not objects:
        raise SettingError("vocabulary", uri, "at least one object")
    names = [tuple(name.split()) for name in objects if " " in name]
    return Vocabulary(objects, {words: " ".join(words) for words in names})


def _from_table(text: str, uri: str) -> Vocabulary:
    objects: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        # The case stays: "iPhone" is found in no lower-cased caption, as in the published script.
        forms = [" ".join(form.split()) for form in line.split(",")]
        if not all(forms):
            raise SettingError("vocabulary", line, "names separated by commas", f"{uri}:{number}")
        _add(objects, forms[0], forms, f"{uri}:{number}")
    if not objects:
        raise SettingError("vocabulary", uri, "at least one object")
    return coco_vocabulary(objects)


def coco_vocabulary(objects: Mapping[str, str]) -> Vocabulary:
    """COCO's rules over a table of surface form -> object."""
    # CHAIR merges two words at a time: "stove top oven" stays three words, of which two name an oven.
    pairs = {words: " ".join(words) for name in objects if len(words := tuple(name.split())) == 2}
    return Vocabulary(dict(objects), {**pairs, **COCO_NAMES}, seat_rule=True)


def _add(objects: dict[str, str], name: str, forms: Iterable[str], where: str) -> None:
    for form in forms:
        if objects.setdefault(form, name) != name:
            raise SettingError(
                "vocabulary", form, f"a form of one object, not of {objects[form]!r} and {name!r}", where
            )


def _normal(name: str) -> str:
    return " ".join(name.lower().split())
