"""An attention implementation of transformers that lets the caller say who sees whom, without a [T, T] mask (ours).

A decoder runs on one row of tokens, [1, N], however many prompts and answers lie in it: linear layers, norms and rotary
positions do not care. Only attention does, and it asks the layout that came with the call.
"""

from typing import Any, Protocol

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "groundtune"  # of this implementation, in the config of the language model


class Layout(Protocol):
    """Who sees whom among the tokens of one call of the decoder."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [1, H, N, d], key and value [1, H_kv, N, d], rotated -> [1, H, N, d]. Called once a layer, in order;
        again for the same layer when activations are recomputed."""
        ...


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in every layer. Without a layout it is the library's own sdpa."""
    if layout is None:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return found
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    seen = layout.attend(module.layer_idx, query, key, value, scale)  # type: ignore[arg-type]
    return seen.transpose(1, 2), None


def repeated(heads: Tensor, count: int) -> Tensor:
    """Keys or values [B, H_kv, T, d] for `count` query heads: [B, count, T, d]."""
    return heads if heads.shape[1] == count else heads.repeat_interleave(count // heads.shape[1], dim=1)


def run(decoder: Any, embedded: Tensor, positions: Tensor, layout: Layout) -> Tensor:
    """Hidden states [N, D] of one row of tokens: embedded [N, D], positions [N] int64.

    Raises RuntimeError when the decoder was given another attention meanwhile: it would not ask the layout.
    """
    if decoder.config._attn_implementation != NAME:
        raise RuntimeError(f"attention is {decoder.config._attn_implementation!r} now, expected {NAME!r}")
    states: Tensor = decoder(
        inputs_embeds=embedded.unsqueeze(0),
        position_ids=positions.unsqueeze(0),
        # anything of four dimensions keeps transformers from making a mask of its own; no one reads it
        attention_mask=embedded.new_zeros(1, 1, 1, 1),
        use_cache=False,
        layout=layout,
    ).last_hidden_state
    return states[0]


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def installed(decoder: Any) -> bool:
    """Have a decoder use this implementation; False when its family has attention of another kind."""
    try:
        decoder.set_attn_implementation(NAME)
    except (AttributeError, ValueError):
        return False
    return bool(decoder.config._attn_implementation == NAME)

