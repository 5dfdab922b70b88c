"""The models that are measured, from a test's to LLaVA-1.5-7B's shape."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Shape of a LLaVA, and how much work one turn of each suite is on it.

    tower_* is CLIP-shaped with patches of `patch` pixels; an image of `image` pixels a side becomes (image / patch)^2
    tokens. answer: shortest and longest answer of a pair, tokens. samples: K. new_tokens: of an answer that is sampled
    at most; mean_tokens: of one that ends by itself. pairs: in one optimizer step; epoch_pairs: in one epoch.
    weights: "demo" is the committed checkpoint, "file" are random ones written to disk, "device" random ones that are
    drawn on the device.
    """

    name: str
    weights: str
    hidden: int = 0
    inner: int = 0
    layers: int = 0
    heads: int = 0
    vocabulary: int = 0
    tower_hidden: int = 0
    tower_inner: int = 0
    tower_layers: int = 0
    tower_heads: int = 0
    image: int = 336
    patch: int = 14
    answer: tuple[int, int] = (40, 120)
    samples: int = 8
    new_tokens: int = 96
    mean_tokens: int = 48
    prompts: int = 4
    pairs: int = 4
    steps: int = 2
    epoch_pairs: int = 8
    cache_tokens: int = 65536
    lora_rank: int = 64

    @property
    def image_tokens(self) -> int:
        return (self.image // self.patch) ** 2


SIZES = {
    size.name: size
    for size in (
        Size(
            "tiny", "file", hidden=32, inner=64, layers=2, heads=4, vocabulary=600, tower_hidden=32, tower_inner=64,
            tower_layers=2, tower_heads=2, image=28, answer=(3, 8), samples=3, new_tokens=6, mean_tokens=3, prompts=2,
            pairs=2, epoch_pairs=4, lora_rank=4,
        ),
        Size(
            "demo", "demo", image=72, patch=12, answer=(8, 40), new_tokens=64, prompts=16, pairs=8, steps=4,
            epoch_pairs=64,
        ),
        # Tower and decoder have LLaVA-1.5-7B's ratio of arithmetic; the vocabulary is its own, so the head weighs more
        # (two thirds of the decoder's layers, against a fiftieth): hence the yardstick with a head at answers only.
        Size(
            "mid", "file", hidden=512, inner=1376, layers=8, heads=8, vocabulary=32064, tower_hidden=128,
            tower_inner=512, tower_layers=6, tower_heads=4, pairs=2,  # with 4, TRL alone takes 11 GB on a CPU
        ),
        Size(
            "llava-7b", "device", hidden=4096, inner=11008, layers=32, heads=32, vocabulary=32064, tower_hidden=1024,
            tower_inner=4096, tower_layers=24, tower_heads=16, new_tokens=256, mean_tokens=128, prompts=16, pairs=8,
            epoch_pairs=32, cache_tokens=131072, lora_rank=128,
        ),
    )
}  # fmt: skip
