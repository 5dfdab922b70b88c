"""Image features kept between epochs: a frozen tower gives the same ones every time."""

from torch import Tensor


class FeatureCache:
    """Projected features by image key, up to a memory limit. What came first stays: with images met in turn, epoch
    after epoch, evicting the oldest would miss every time."""

    def __init__(self, mebibytes: int):
        self.room = mebibytes * 2**20
        self._kept: dict[str, Tensor] = {}

    def get(self, key: str) -> Tensor | None:
        """[N, D] on the CPU, or None."""
        return self._kept.get(key)

    def put(self, key: str, features: Tensor) -> None:
        size = features.numel() * features.element_size()
        if size <= self.room and key not in self._kept:
            self.room -= size
            self._kept[key] = features.detach().cpu().clone()
