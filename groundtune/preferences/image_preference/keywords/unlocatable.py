"""Words that no region of the picture shows: the picture itself, places in it, amounts, what cannot be seen (ours).

No finder can point at "the background" or "the atmosphere". The lists are for captions; add what turns up in yours.
"""

from groundtune.text.stems import stem


def is_unlocatable(word: str) -> bool:
    """word: lower case, singular or plural."""
    return stem(word) in _UNLOCATABLE


def is_amount(word: str) -> bool:
    """Whether this noun before "of" only counts what follows."""
    return stem(word) in _AMOUNTS


_PICTURE = "image picture photo photograph scene view shot snapshot close-up closeup caption background foreground"
_PLACES = """
    top bottom left right middle center centre side left-hand right-hand corner front back rear edge end half part
    portion area section spot position place location distance direction inside outside surrounding upper lower
    central
"""
_UNSEEN = """
    atmosphere ambiance ambience setting environment mood sense feeling emotion moment time day night morning
    afternoon evening daytime nighttime year season activity action experience way manner focus attention subject
    purpose presence appearance impression arrangement composition addition total variety color colour shade size
    shape style type kind sort fact example thing item object element detail aspect feature theme contrast depth
    perspective interest charm beauty touch vibe interaction conversation event occasion air mid-air midair
"""
_QUANTITIES = "several many few fewer various other others different multiple numerous own same such certain more most"
_COUNTED = """
    group couple pair bunch number lot row line stack pile set series collection assortment array variety handful
    dozen hundred piece bit cluster crowd herd flock selection kind type sort part side top front back end middle
    center centre edge
"""

_UNLOCATABLE = frozenset(stem(word) for word in f"{_PICTURE} {_PLACES} {_UNSEEN} {_QUANTITIES}".split())
_AMOUNTS = frozenset(stem(word) for word in _COUNTED.split())
