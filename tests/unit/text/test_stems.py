"""A noun and its plural have one stem, and no other noun has it."""

import pytest

from groundtune.text.stems import stem

PLURALS = """
    cup/cups bus/buses glass/glasses vase/vases box/boxes bench/benches dish/dishes berry/berries cookie/cookies
    tomato/tomatoes shoe/shoes knife/knives child/children man/men person/people fish/fish horse/horses axe/axes
    leaf/leaves tie/ties toe/toes house/houses face/faces t-shirt/t-shirts lens/lenses tooth/teeth
"""
NOUNS = "cup cap bus bush glass grass vase base box bench dish disk toe toy shoe show man mat tie tile knife"


@pytest.mark.parametrize("pair", PLURALS.split())
def test_a_noun_and_its_plural_have_one_stem(pair):
    singular, plural = pair.split("/")
    assert stem(singular) == stem(plural)


def test_different_nouns_have_different_stems():
    nouns = NOUNS.split()
    assert len({stem(noun) for noun in nouns}) == len(nouns)
