"""Promises of reading a yes or a no out of the next token."""

import copy
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from groundtune.errors import CheckpointError
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import encode_prefix, render
from groundtune.vlm.yes_no import YesNoTokens, p_yes, yes_no_tokens
from tests.unit.vlm.conftest import picture


def test_the_log_odds_are_of_the_summed_probabilities():
    tokens = YesNoTokens((5, 6), (9,))
    assert tokens.token_ids == [5, 6, 9]
    probabilities = torch.tensor([[0.2, 0.1, 0.3], [0.0, 0.5, 0.25]])
    torch.testing.assert_close(tokens.log_odds(probabilities.log()), torch.tensor([1.0, 2.0]).log())


def test_the_tokens_begin_the_words_behind_the_prompt(llava):
    prompt = render(llava, "Is there a cat in the image?")
    tokens = yes_no_tokens(llava, prompt)
    assert not set(tokens.yes) & set(tokens.no)
    for word, own in (("Yes", tokens.yes), (" no", tokens.no)):
        bare = llava.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert llava.tokenizer(prompt + word, add_special_tokens=False)["input_ids"][len(bare)] in own


def test_p_yes_of_questions_about_one_image_is_that_of_a_plain_pass_each(vlm):
    asked = ("Is there a cat?", "Is there a dog, a cup and a banana?", "Is it red?")
    prefixes = [encode_prefix(vlm, str(i), asked[i % 3], picture(i % 2)) for i in range(6)]
    found = p_yes(vlm, prefixes)
    for prefix, value in zip(prefixes, found, strict=True):
        tokens = yes_no_tokens(vlm, prefix.text)
        with torch.no_grad():
            inputs = {"input_ids": prefix.input_ids.unsqueeze(0), **prefix.pixels}
            chances = vlm.model(**inputs).logits[0, -1].float().softmax(-1)
        yes, no = chances[list(tokens.yes)].sum(), chances[list(tokens.no)].sum()
        assert value == pytest.approx(float(yes / (yes + no)), abs=1e-5)
    assert len({round(value, 5) for value in found}) > 3
    assert p_yes(vlm, []) == []


def test_a_tokenizer_that_starts_yes_and_no_alike_is_refused(llava):
    words = Tokenizer(models.WordLevel({"<unk>": 0, "A": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    reader = PrefixChecker(llava.processor, tokenizer, llava.family, llava.config)
    with pytest.raises(CheckpointError, match="starts yes and no alike"):
        yes_no_tokens(reader, "A A ")


def test_a_model_whose_numbers_are_not_finite_is_refused_by_the_record(llava):
    model = copy.deepcopy(llava.model)
    model.get_output_embeddings().weight.data.fill_(float("nan"))
    prefixes = [encode_prefix(llava, "pope/7", "Is there a cat?", picture(0))]
    with pytest.raises(CheckpointError, match=r'id="pope/7".*is nan, expected a finite number'):
        p_yes(replace(llava, model=model), prefixes)
