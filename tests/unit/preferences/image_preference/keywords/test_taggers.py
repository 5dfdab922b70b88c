"""Promises of the choice of a tagger that hold without spaCy too."""

import sys

import pytest

from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.settings import ImagePreferenceSettings


@pytest.fixture
def without_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own way to say that a module cannot be imported."""
    monkeypatch.setitem(sys.modules, "spacy", None)


def test_plain_is_plain_whatever_is_installed():
    assert load_tagger(ImagePreferenceSettings(tagger="plain")).name == "plain-1, trigrams-1"


def test_spacy_without_spacy_is_an_error_that_names_setting_and_extra(without_spacy):
    with pytest.raises(SettingError, match=r"spacy_model.*groundtune\[text\]"):
        load_tagger(ImagePreferenceSettings(tagger="spacy"))


def test_auto_without_spacy_is_plain_and_says_so(without_spacy):
    assert load_tagger(ImagePreferenceSettings(tagger="auto")).name == "plain-1, trigrams-1"
