"""Nouns and adjectives without a model: word lists, endings, and a word of context on each side (ours).

Meant for English captions. Its limits: an open word is taken for a noun, so an unlisted verb in front of a preposition
joins the phrase before it ("a dog sniffs at a tree" gives "dog sniffs"), and an unlisted adjective on its own becomes a
phrase. A listed verb is never a noun ("a hang glider" gives "glider"). A word that is both goes by the number of the
noun before it ("a fruit stand" but "a man stands"), which fails where the two are in different phrases ("a can of soda
stand"). Other languages give long phrases of little use: take spaCy for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.text import plain_words as lists
from groundtune.text.placed_words import Kind, PlacedWord
from groundtune.text.word_roles import Role, is_plural, role_of

# Of the rules and lists below: what changes a result makes another version.
VERSION = "plain-1"


def kinds_of(words: Sequence[PlacedWord]) -> list[Kind]:
    """What each word does in its phrase. Neighbours count only inside the clause (Word.closes)."""
    roles = [role_of(word.text) for word in words]
    kinds: list[Kind] = []
    for index in range(len(words)):
        kinds.append(_kind(_Place(words, roles, kinds, index)))
    return kinds


_IN_A_PHRASE = (Role.NOUN, Role.VERB_OR_NOUN, Role.ADJECTIVE)


@dataclass(frozen=True)
class _Place:
    """A word in its sentence. kinds: of the words before it."""

    words: Sequence[PlacedWord]
    roles: Sequence[Role]
    kinds: Sequence[Kind]
    index: int

    @property
    def word(self) -> str:
        return self.words[self.index].text

    @property
    def role(self) -> Role:
        return self.roles[self.index]

    @property
    def before(self) -> int | None:
        return self.index - 1 if self.index and not self.words[self.index - 1].closes else None

    @property
    def after(self) -> int | None:
        return self.index + 1 if not self.words[self.index].closes else None

    def before_is(self, *roles: Role) -> bool:
        return self.before is not None and self.roles[self.before] in roles

    def before_was(self, kind: Kind) -> bool:
        return self.before is not None and self.kinds[self.before] is kind

    def after_is(self, *roles: Role) -> bool:
        return self.after is not None and self.roles[self.after] in roles

    def word_after(self) -> str:
        return "" if self.after is None else self.words[self.after].text

    def word_before(self, steps: int = 1) -> str:
        return "" if self.before is None or self.index < steps else self.words[self.index - steps].text


def _kind(at: _Place) -> Kind:
    if at.word == "can":
        return Kind.OTHER if _is_modal_can(at) else Kind.NOUN
    if at.word_after() in lists.ING_COMPOUNDS.get(at.word, "").split():
        return Kind.NOUN
    if at.role is Role.PARTICIPLE:
        described = at.before_is(Role.DETERMINER) or at.before_was(Kind.ADJECTIVE)
        return Kind.ADJECTIVE if described and at.after_is(*_IN_A_PHRASE) else Kind.OTHER
    if at.role is Role.ADJECTIVE or (at.word in lists.SHADES and at.word_after() in lists.COLOURS):
        return Kind.ADJECTIVE
    if at.role is Role.VERB_OR_NOUN:
        return Kind.OTHER if _is_verb(at) else Kind.NOUN
    if at.role is not Role.NOUN:
        return Kind.OTHER
    if _is_predicate(at):
        return Kind.ADJECTIVE
    return Kind.OTHER if _is_verb_before_object(at) else Kind.NOUN


def _is_modal_can(at: _Place) -> bool:
    """ "a dog can be seen" and "you can see", but "a trash can sits": a modal has the verb's bare form behind it."""
    described = at.before_is(Role.DETERMINER) or at.before_was(Kind.ADJECTIVE)
    if described and at.word_before() != "one":
        return False
    bare = at.after_is(Role.VERB, Role.VERB_OR_NOUN) and not at.word_after().endswith("s")
    return bare or at.word_after() in ("be", "also", "not", "have") or at.before_is(Role.PRONOUN)


def _is_verb(at: _Place) -> bool:
    """ "a man stands", "people stand" against "a fruit stand", "two stands": a verb agrees with the noun before it."""
    if at.before_is(Role.PRONOUN) or at.word_before() in lists.MODALS:
        return True
    if not at.before_was(Kind.NOUN):
        return False
    joined = "and" in (at.word_before(2), at.word_before(3), at.word_before(4))  # "a man and a woman stand"
    return is_plural(at.word) != (is_plural(at.word_before()) or joined)


def _is_predicate(at: _Place) -> bool:
    """ "the sky is hazy": one bare word behind a form of be and nothing for it to describe; not after "there is"."""
    if not at.before_is(Role.BE) or at.after_is(*_IN_A_PHRASE):
        return False
    return at.word in lists.COLOURS_OR_THINGS or (at.word_before(2) != "there" and not is_plural(at.word))


def _is_verb_before_object(at: _Place) -> bool:
    """ "the dog sniffs a tree", "two dogs sniff a tree": an unknown word between its subject and a determiner."""
    if not at.after_is(Role.DETERMINER):
        return False
    if not at.before_was(Kind.NOUN):
        return at.before_is(Role.PRONOUN)  # "which sniffs a tree"
    return is_plural(at.word) != is_plural(at.word_before())
