"""English plurals without a dictionary: endings and irregular nouns (ours)."""

from collections.abc import Container, Iterator

LEMMATISER = "plural-rules-1"
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
    "geese": "goose", "mice": "mouse", "oxen": "ox",
}  # fmt: skip
# What the endings below find when the vocabulary helps them; needed where there is none.
MORE_IRREGULAR = {
    "dice": "die", "knives": "knife", "lives": "life", "wives": "wife", "leaves": "leaf", "loaves": "loaf",
    "shelves": "shelf", "wolves": "wolf", "calves": "calf", "scarves": "scarf", "hooves": "hoof", "halves": "half",
    "lenses": "lens", "gases": "gas", "cacti": "cactus",
}  # fmt: skip
_NOT_BY_ENDING = {
    **IRREGULAR, **MORE_IRREGULAR, "buses": "bus", "shoes": "shoe", "canoes": "canoe", "toes": "toe", "axes": "axe",
    "cookies": "cookie", "movies": "movie", "selfies": "selfie", "lens": "lens", "series": "series",
    "species": "species",
}  # fmt: skip
# (ending, replacement), tried in this order; the first that gives a word of the vocabulary wins.
_ENDINGS = (
    ("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("oes", "o"),
    ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man"),
)  # fmt: skip


def singular(word: str, known: Container[str]) -> str:
    """ours, in place of WordNet: the word itself when the vocabulary has it, else its singular when that is in it.

    word: lower case. A plain list of plural endings and irregular nouns; a word that leads to no word of the
    vocabulary stays as it is.
    """
    if word in known:
        return word
    return next((form for form in _singulars(word) if form in known), word)


def _singulars(word: str) -> Iterator[str]:
    if word in IRREGULAR:
        yield IRREGULAR[word]
    if word.endswith("ss"):
        return
    for ending, replacement in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            yield word.removesuffix(ending) + replacement


def likely_singular(word: str) -> str:
    """ours: the singular of a plural when there is no vocabulary to ask; a guess where endings are ambiguous.

    word: lower case. "vases" and "horses" keep their e, "buses" is on the list; "glass", "bus" and "tennis" stay.
    """
    if word in _NOT_BY_ENDING:
        return _NOT_BY_ENDING[word]
    if word.endswith("men") and len(word) > 4:
        return word[:-3] + "man"  # firemen
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zzes", "oes")) else word[:-1]
