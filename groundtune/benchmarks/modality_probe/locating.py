"""Where the things are that a text speaks of: keywords, then regions (MFPO's means, used to measure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from groundtune.artifacts import Row, parts_of
from groundtune.preferences.image_preference.keywords.phrases import Tagger
from groundtune.preferences.image_preference.keywords.ranking import keywords_of
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.preferences.image_preference.pair_images import region_of
from groundtune.preferences.image_preference.regions.finder import Mask, RegionFinder
from groundtune.preferences.image_preference.regions.load import load_finder
from groundtune.settings import ImagePreferenceSettings


@dataclass(frozen=True)
class Place:
    """phrases: what was looked for. mask: bool [H, W], None when there is no region of its own; missing: why, a key of
    pair_images.FALLBACKS, "" with a mask."""

    phrases: tuple[str, ...]
    mask: Mask | None
    missing: str

    @property
    def columns(self) -> Row:
        """As columns of the `probe` artifact."""
        area = None if self.mask is None else float(self.mask.mean())
        return {"phrase": ", ".join(self.phrases), "region_missing": self.missing, "region_area": area}


@dataclass(frozen=True)
class Locator:
    """A tagger and a region finder, with the thresholds of image preferences."""

    tagger: Tagger
    finder: RegionFinder
    settings: ImagePreferenceSettings

    @classmethod
    def load(cls, region_models: Mapping[str, str], settings: ImagePreferenceSettings) -> "Locator":
        return cls(load_tagger(settings), load_finder(region_models, settings), settings)

    def locate(self, images: Sequence[Image.Image], texts: Sequence[str], most: int | None = None) -> list[Place]:
        """For text i its place in image i: the union of the regions of its first `most` keywords (None: of all)."""
        phrases = [
            [keyword.phrase for keyword in own[:most]] for own in keywords_of(list(texts), self.tagger, self.settings)
        ]
        found = [
            regions
            for _, batch in parts_of(list(zip(images, phrases, strict=True)), self.settings.pairs_per_batch)
            for regions in self.finder.find([image for image, _ in batch], [own for _, own in batch])
        ]
        places = []
        for image, own, regions in zip(images, phrases, found, strict=True):
            region = region_of(regions, image.height, image.width, self.settings)
            places.append(Place(tuple(own), None if region.fallback else region.mask, region.fallback))
        return places
