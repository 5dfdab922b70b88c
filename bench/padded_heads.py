"""The same LLaVA with longer attention heads: what vLLM's CPU kernels take, computed alike.

They know heads of 32, 64, 96 ... numbers; the embedded demo model's language half has 40. Each head's queries, keys and
values get zeros behind them, which changes no product; queries grow by sqrt(new / old), because attention divides by
the root of a head's size; and each rotary pair keeps its own frequency, written as a LongRoPE factor.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor


def pad_heads(source: Path, target: Path, size: int) -> Path:
    """A copy of the LLaVA checkpoint `source` whose language model has heads of `size` numbers. Returns `target`."""
    shutil.copytree(source, target)
    config = json.loads((source / "config.json").read_text())
    text = config["text_config"]
    old = text["head_dim"]
    # float32: scaled queries would be rounded to the 11 bits of the demo's own float16
    weights = {name: weight.float() for name, weight in load_file(source / "model.safetensors").items()}
    for name, weight in weights.items():
        _, _, module = name.partition(".self_attn.")
        if name.startswith("language_model.") and module:
            weights[name] = _padded(weight, module.split("_")[0], old, size)
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    config["dtype"] = "float32"
    text["head_dim"] = size
    text["rope_parameters"] = _same_frequencies(text, old, size)
    (target / "config.json").write_text(json.dumps(config, indent=2))
    return target


def _padded(weight: Tensor, kind: str, old: int, size: int) -> Tensor:
    """A projection's weight [heads * old, D] -> [heads * size, D]; of `o`, the transpose."""
    rows = weight.T if kind == "o" else weight
    heads = rows.reshape(-1, old, rows.shape[1])
    made = heads.new_zeros(heads.shape[0], size, heads.shape[2])
    half, new_half = old // 2, size // 2
    if kind in "qk":  # rotary pairs are (i, i + half of the head)
        scale = (size / old) ** 0.5 if kind == "q" else 1.0
        made[:, :half] = heads[:, :half] * scale
        made[:, new_half : new_half + half] = heads[:, half:] * scale
    else:
        made[:, :old] = heads
    made = made.reshape(-1, rows.shape[1])
    return (made.T if kind == "o" else made).contiguous()


def _same_frequencies(text: dict, old: int, size: int) -> dict:
    """RoPE parameters that give pair i of a longer head the frequency it had; the pairs of zeros get any."""
    theta = text["rope_parameters"]["rope_theta"]
    pairs = torch.arange(size // 2, dtype=torch.float64)
    factors = [float(factor) for factor in theta ** (2 * pairs / old - 2 * pairs / size)]
    return {
        "rope_type": "longrope",
        "rope_theta": theta,
        "short_factor": factors,
        "long_factor": factors,
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": text["max_position_embeddings"],
    }
