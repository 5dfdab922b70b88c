"""How much GPU memory a stage needs, from the checkpoint's shape and the stage's settings (ours): arithmetic, no torch.

Estimates in bytes, bfloat16 (2 bytes a number), meant to be a little too high. They size the GPU profiles and stop a
run that cannot fit before it starts; they were derived, and not yet compared with a GPU.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from groundtune import storage
from groundtune.errors import CheckpointError, StorageError

GIB = 2**30
BF16 = 2
FRAGMENTS = 1.1  # the allocator's rounding and holes
PREFILL_TOKENS = 4096  # read in one pass while answers are sampled
CONTEXT = GIB  # CUDA's context and kernels, cuBLAS workspaces


@dataclass(frozen=True)
class ModelShape:
    """parameters: of the whole checkpoint. prefix: tokens of a prompt with one image, generously."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    vocabulary: int
    prefix: int

    @property
    def weights(self) -> int:
        return self.parameters * BF16

    @property
    def cache_of_token(self) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.key_value_heads * (self.hidden // self.heads) * BF16

    @property
    def pass_of_token(self) -> int:
        """Activations of one token while one layer runs, nothing kept for a backward pass."""
        return (8 * self.hidden + 3 * self.intermediate) * BF16

    @property
    def training_of_token(self) -> int:
        """What one layer after the other keeps of a token for the backward pass: attention 8 h, MLP 2 h + 4 i, norms in
        float32 4 h, and LoRA's inputs, which are kept anyway."""
        return self.layers * (14 * self.hidden + 4 * self.intermediate) * BF16

    def lora(self, rank: int) -> int:
        """Adapter in float32 with gradient and AdamW's two moments, on all seven linear layers of each block."""
        head = self.hidden // self.heads
        widths = [
            (self.hidden, self.heads * head),
            (self.hidden, self.key_value_heads * head),
            (self.hidden, self.key_value_heads * head),
            (self.heads * head, self.hidden),
            (self.hidden, self.intermediate),
            (self.hidden, self.intermediate),
            (self.intermediate, self.hidden),
        ]
        return 16 * rank * self.layers * sum(a + b for a, b in widths)


LLAVA_7B = ModelShape(7_063_000_000, 32, 4096, 11008, 32, 32, 32064, 704)
LLAVA_13B = ModelShape(13_351_000_000, 40, 5120, 13824, 40, 40, 32064, 704)
ANSWER = 160  # tokens of an answer, generously


def shape_of(checkpoint: str) -> ModelShape:
    """The shape of a checkpoint, a folder or an s3:// prefix, from config.json and the sizes of its weight files; no
    weights are read.

    Raises CheckpointError when these are not there or make no sense.
    """
    try:
        config: dict[str, Any] = json.loads(storage.read_bytes(storage.join(checkpoint, "config.json")))
        text = {**_LLAMA, **config.get("text_config", config)}
        heads = int(text["num_attention_heads"])
        return ModelShape(
            parameters=weights_of(checkpoint, config) // BF16,
            layers=int(text["num_hidden_layers"]),
            hidden=int(text["hidden_size"]),
            intermediate=int(text["intermediate_size"]),
            heads=heads,
            key_value_heads=int(text.get("num_key_value_heads") or heads),
            vocabulary=int(text["vocab_size"]),
            prefix=_image_tokens(config) + 128,
        )
    except (StorageError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint}: its size cannot be told from config.json: {error}") from error


def weights_of(checkpoint: str, config: Mapping[str, Any] | None = None) -> int:
    """Bytes of the weights once they are loaded in bfloat16. config: of config.json, read when it is not given."""
    if config is None:
        config = json.loads(storage.read_bytes(storage.join(checkpoint, "config.json")))
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float16")
    sizes = storage.file_sizes(checkpoint)
    return sum(size for name, size in sizes.items() if name.endswith(".safetensors")) * BF16 // _NUMBER.get(stored, 2)


_NUMBER = {"float32": 4, "float64": 8}  # bytes of a number on disk; of the other types 2
# What LLaVA checkpoints leave out of text_config: the defaults of LlamaConfig, a 7B model.
_LLAMA = {
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}


def _image_tokens(config: dict[str, Any]) -> int:
    """Of one image; LLaVA-NeXT tiles an image up to five times."""
    vision = config.get("vision_config", {})
    grid = int(vision.get("image_size", 336)) // int(vision.get("patch_size", 14))
    return grid * grid * (5 if config.get("image_grid_pinpoints") else 1)


def sampling_bytes(shape: ModelShape, cache_tokens: int) -> int:
    """generate: weights, the key-value cache, and one prefill whose keys and values are copied into it."""
    prefill = max(PREFILL_TOKENS, shape.prefix) * (shape.pass_of_token + shape.cache_of_token)
    return _total(shape, cache_tokens * shape.cache_of_token, prefill)


def scoring_bytes(shape: ModelShape, token_budget: int) -> int:
    """score_confidence: weights, one pass over the budget, logits of a chunk in float32."""
    return _total(shape, token_budget * shape.pass_of_token, _logits(shape))


def training_bytes(
    shape: ModelShape, pairs_per_microbatch: int, lora_rank: int, *, checkpointing: bool, images: bool
) -> int:
    """train_dpo: weights, adapter with optimizer, activations of a micro-batch; images: with corrupted ones beside."""
    tokens = pairs_per_microbatch * (shape.prefix + 2 * ANSWER + (shape.prefix + ANSWER if images else 0))
    return _total(shape, shape.lora(lora_rank), tokens * _kept_of_token(shape, checkpointing), _logits(shape))


def online_bytes(shape: ModelShape, answers_per_microbatch: int, lora_rank: int, *, checkpointing: bool) -> int:
    """train_simulated_rlhf without its scorers: every answer of a micro-batch behind a prefix of its own, and the
    logits of all its tokens."""
    logits = 3 * answers_per_microbatch * ANSWER * shape.vocabulary * 4
    kept = answers_per_microbatch * (shape.prefix + ANSWER) * _kept_of_token(shape, checkpointing)
    return _total(shape, shape.lora(lora_rank), kept, logits)


def _kept_of_token(shape: ModelShape, checkpointing: bool) -> int:
    if not checkpointing:
        return shape.training_of_token
    # the input of each layer, and one layer as a whole
    return shape.layers * shape.hidden * BF16 + 2 * shape.training_of_token // shape.layers


def budgets(shape: ModelShape, memory: int, *, lora_rank: int = 64, samples: int = 8) -> dict[str, dict[str, Any]]:
    """Settings of each section with which this model fills, and does not exceed, so many bytes of a GPU; {} when it
    does not fit at all. Training is sized with corrupted images, and with checkpointing only where it must be."""
    room = round(memory * FILLING)
    cache = _largest(lambda n: sampling_bytes(shape, n) <= room, range(1024, 262145, 1024))
    tokens = _largest(lambda n: scoring_bytes(shape, n) <= room, range(1024, 65537, 1024))
    prompt = shape.prefix + _LONGEST
    if cache < shape.prefix + samples * _LONGEST or not tokens:
        return {}
    fits = {
        checkpointing: _largest(
            lambda n, on=checkpointing: training_bytes(shape, n, lora_rank, checkpointing=on, images=True) <= room,  # type: ignore[misc]
            (1, 2, 4, 8, 16),
        )
        for checkpointing in (False, True)
    }
    checkpointing = not fits[False]
    if not fits[checkpointing]:
        return {}
    online = _largest(
        lambda n: online_bytes(shape, n, lora_rank, checkpointing=checkpointing) + _SCORERS <= room, (1, 2, 4, 8, 16)
    )
    return {
        "sampling": {"cache_tokens": cache},
        "confidence": {"token_budget": tokens},
        "training": {"pairs_per_microbatch": fits[checkpointing], "gradient_checkpointing": checkpointing},
        "reward": {"token_budget": tokens},
        "rlhf": {"answers_per_microbatch": max(1, online)},
        "evaluation": {"cache_tokens": cache, "questions_per_batch": max(1, 4 * cache // prompt)},
    }


FILLING = 0.92  # of a GPU's memory
_SCORERS = GIB  # of a CLIP, which rewards answers beside the model
_LONGEST = 256  # tokens of the longest answer: the default of max_new_tokens


def _largest(fits: Callable[[int], bool], sizes: Iterable[int]) -> int:
    """The largest size that fits; 0 for none."""
    return max((size for size in sizes if fits(size)), default=0)


def _logits(shape: ModelShape) -> int:
    """Logits of a chunk in float32, with their softmax and gradient."""
    return 3 * 1024 * shape.vocabulary * 4


def _total(shape: ModelShape, *parts: int) -> int:
    return shape.weights + round(sum(parts) * FRAGMENTS) + CONTEXT
