"""Promises of reading a yes or a no out of the next token."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from groundtune.errors import CheckpointError
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import render
from groundtune.vlm.yes_no import YesNoTokens, yes_no_tokens


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


def test_a_tokenizer_that_starts_yes_and_no_alike_is_refused(llava):
    words = Tokenizer(models.WordLevel({"<unk>": 0, "A": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    reader = PrefixChecker(llava.processor, tokenizer, llava.family, llava.config)
    with pytest.raises(CheckpointError, match="starts yes and no alike"):
        yes_no_tokens(reader, "A A ")
