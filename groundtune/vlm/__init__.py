"""Vision-language models: load, render prompts, generate, log-probs of answers that share a prefix."""

from groundtune.vlm.answer_ids import encode_answer
from groundtune.vlm.branches import branch_logprobs, branch_next_logprobs, sharing_is_exact
from groundtune.vlm.checkpoints import check_adapter, check_checkpoint, checkpoint_digest
from groundtune.vlm.families import FAMILIES, Family, family_of
from groundtune.vlm.features import image_features, prefix_embeddings
from groundtune.vlm.generate import Answer, Decoding, generate
from groundtune.vlm.loader import PrefixChecker, Vlm, load_processor, load_vlm
from groundtune.vlm.plain import plain_logprobs, plain_next_logprobs
from groundtune.vlm.prefix_sharing import share_prefix, split_on_prefix
from groundtune.vlm.prompt import Prefix, encode_prefix, placeholder_check, render

__all__ = [
    "FAMILIES",
    "Answer",
    "Decoding",
    "Family",
    "Prefix",
    "PrefixChecker",
    "Vlm",
    "branch_logprobs",
    "branch_next_logprobs",
    "check_adapter",
    "check_checkpoint",
    "checkpoint_digest",
    "encode_answer",
    "encode_prefix",
    "family_of",
    "generate",
    "image_features",
    "load_processor",
    "load_vlm",
    "placeholder_check",
    "plain_logprobs",
    "plain_next_logprobs",
    "prefix_embeddings",
    "render",
    "share_prefix",
    "sharing_is_exact",
    "split_on_prefix",
]
