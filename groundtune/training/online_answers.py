"""Answers that the policy writes while it learns: to the prompts of the pairs, by the sampler that drew the pool."""

from collections.abc import Sequence

from groundtune.artifacts import Artifact, Row
from groundtune.digests import digest_of
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.settings import SamplingSettings
from groundtune.training.prompt_order import PromptOrder
from groundtune.vlm.generate import end_token_ids, generate, read_answer
from groundtune.vlm.image_files import encode_prompt
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding
from groundtune.vlm.sharing import evaluating


class OnlineAnswers:
    """Prompts by their place in the order of training, and the answers of the policy as it is now.

    group: answers a prompt. seed: every answer's random numbers follow from it, the place and the answer's number.
    """

    def __init__(
        self, vlm: Vlm, prompts: list[Row], store: ImageStore, sampling: SamplingSettings, group: int, seed: int
    ):
        self.vlm, self.prompts, self.store = vlm, prompts, store
        self.sampling, self.seed = sampling, seed
        self.order = PromptOrder(len(prompts), seed)
        self.decoding = Decoding(sampling.max_new_tokens, sampling.temperature, sampling.top_p, group)

    def prompt(self, place: int) -> Row:
        """The prompt at a place in the order of training."""
        return self.prompts[self.order[place]]

    def prefix(self, place: int) -> Prefix:
        """Its image and instruction, as the pool's answers were sampled behind them. Raises RecordError."""
        return encode_prompt(self.vlm, self.prompt(place), self.store)

    def sample(self, places: Sequence[int], prefixes: Sequence[Prefix]) -> list[list[int]]:
        """Token ids of `group` answers to each of the prompts, prompt after prompt, the end-of-answer token included
        when it came."""
        seeds = [int(digest_of(["online answer", self.seed, place])[:12], 16) for place in places]
        with evaluating(self.vlm.model):
            drawn = generate(self.vlm, prefixes, self.decoding, seeds, cache_tokens=self.sampling.cache_tokens)
        return [list(answer.token_ids) for own in drawn for answer in own]

    def text(self, token_ids: list[int]) -> str:
        """What a pool would hold as the text of an answer."""
        return read_answer(self.vlm.tokenizer, end_token_ids(self.vlm), token_ids).text


def prompts_of(pairs: Artifact, prompts: Artifact) -> list[Row]:
    """The prompts that have pairs, each once, in the order of the pairs. Raises ArtifactError when there is none, or a
    prompt is missing."""
    known = {row["id"]: row for row in prompts.rows()}
    names = list(dict.fromkeys(pairs.values("prompt_id")))
    if not names:
        raise ArtifactError(f"{pairs.path}: no pairs, so no prompts to answer; lower `margin` or look at the drops")
    lost = [name for name in names if name not in known]
    if lost:
        raise ArtifactError(f'{pairs.path}: a pair\'s prompt "{lost[0]}" is not in {prompts.path}')
    return [known[name] for name in names]
