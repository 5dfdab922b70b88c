"""Which LoRA adapters vLLM applies completely. It leaves out what it does not know: that is refused here, by name."""

import json
from pathlib import Path

from groundtune.candidates.engines.vllm_checkpoint import read_header
from groundtune.errors import CheckpointError
from groundtune.vlm.checkpoints import check_adapter

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the sizes that vLLM reserves memory for


def reserved_rank(adapter: Path) -> int:
    """The smallest size of vLLM's that holds the PEFT adapter's rank.

    Raises CheckpointError when the adapter changes anything but linear layers of the language model, or is larger.
    """
    check_adapter(adapter)
    remedy = "set sampling.engine to transformers"
    header = read_header(adapter / "adapter_model.safetensors")
    for name in sorted(header.keys() - {"__metadata__"}):
        if ".language_model." not in name or not name.endswith((".lora_A.weight", ".lora_B.weight")):
            raise CheckpointError(
                f"adapter {adapter}: {name} is not a LoRA of the language model, and vLLM would leave it out: {remedy}"
            )
    config = json.loads((adapter / "adapter_config.json").read_text())
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > RANKS[-1]:
        raise CheckpointError(f"adapter {adapter}: rank {rank}, but vLLM takes {RANKS[-1]} at most: {remedy}")
    return next(size for size in RANKS if size >= rank)
