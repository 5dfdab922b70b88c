"""Features that are kept are the same features, and never more than the memory allows."""

import torch

from groundtune.vlm.feature_cache import FeatureCache
from groundtune.vlm.features import image_features
from tests.unit.vlm.conftest import prompts


def test_kept_features_are_those_of_the_tower_and_are_not_computed_again(vlm, monkeypatch):
    with torch.no_grad():
        plain = image_features(vlm, prompts(vlm))
        monkeypatch.setattr(vlm, "features", FeatureCache(64))
        first = image_features(vlm, prompts(vlm))
        monkeypatch.setattr(type(vlm.family), "pixels", None)  # the tower cannot be asked any more
        second = image_features(vlm, prompts(vlm))
    for a, b, c in zip(plain, first, second, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
        assert torch.equal(b, c)


def test_a_tower_that_learns_is_never_kept(llava, monkeypatch):
    monkeypatch.setattr(llava, "features", FeatureCache(64))
    weight = next(llava.base.model.multi_modal_projector.parameters())
    assert weight.requires_grad
    features = image_features(llava, prompts(llava, 1))
    assert features[0].requires_grad and llava.features.get(prompts(llava, 1)[0].image_key) is None


def test_what_does_not_fit_is_not_kept():
    cache = FeatureCache(1)
    big, small = torch.zeros(2**18 + 1), torch.ones(4)
    cache.put("big", big)
    cache.put("small", small)
    assert cache.get("big") is None and torch.equal(cache.get("small"), small)
    cache.put("second", torch.zeros(2**18 - 4))
    cache.put("third", torch.zeros(1))
    assert cache.get("second") is not None and cache.get("third") is None
