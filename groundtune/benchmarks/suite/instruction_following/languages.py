"""Which language a text is in: by its script, and among languages of the Latin script by their commonest words (ours).

Made for answers of a sentence or more in one of a dozen languages; a few words of the Latin script can be of many.
"""

import unicodedata
from collections import Counter

# A language that is written in a script of its own is told by most of the letters. Kana decides against Chinese.
_SCRIPTS: dict[str, tuple[str, ...]] = {
    "ar": ("ARABIC",),
    "el": ("GREEK",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "zh": ("CJK",),
}
# Articles, pronouns, prepositions, forms of "to be" and "shows". A word of two languages counts for both: the sum tells
# them apart.
_COMMON: dict[str, str] = {
    "de": "der die das ein eine einen einem einer und ist sind im in auf mit von zu den dem des nicht es gibt ich auch "
    "hier neben unter über hat zwei bild zeigt links rechts"
    " zwischen",
    "en": "the a an and is are in on of with to there this that it its at from by not has have image picture one two I "
    "can see shows left right which",
    "es": "el la los las un una unos unas y es son está están en de con del al por para que no se hay su imagen dos "
    "muestra veo junto",
    "fr": "le la les un une des et est sont dans de du avec au aux sur sous il y a on ne pas ce cette qui que image "
    "deux montre elle nous voit d l",
    "it": "il lo la i gli le un uno una e è sono di del della nel nella con su per che non c ci immagine due sul "
    "sulla si vede mostra alla l",
    "nl": "de het een en is zijn in op van met te er dat die niet aan bij ook naar twee afbeelding links rechts staat "
    "onder naast toont ik",
    "pt": "o a os as um uma uns umas e é são está estão em de do da no na com por para que não há se imagem dois "
    "duas ao vejo mostra lado",
}
LANGUAGES: tuple[str, ...] = tuple(sorted((*_SCRIPTS, *_COMMON)))
_WORDS = {language: frozenset(text.lower().split()) for language, text in _COMMON.items()}
_LEAST_SHARE = 0.2  # of the words: less than this of common words is no running text of the language


def language_of(text: str) -> str:
    """A code of LANGUAGES, or "" when the text has no letters, mixes scripts, or fits no language."""
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return ""
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0].partition("-")[0] for letter in letters)
    if scripts["HIRAGANA"] + scripts["KATAKANA"]:
        scripts["HIRAGANA"] += scripts.pop("CJK", 0)
    for language, names in _SCRIPTS.items():
        if sum(scripts[name] for name in names) > len(letters) / 2:
            return language
    return _latin(text) if scripts["LATIN"] > len(letters) / 2 else ""


def _latin(text: str) -> str:
    """The language with most of its common words here; a tie is none."""
    said = "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()
    hits = Counter({language: sum(word in common for word in said) for language, common in _WORDS.items()})
    (best, most), (_, second) = hits.most_common(2)
    return best if most > second and most >= _LEAST_SHARE * len(said) else ""
