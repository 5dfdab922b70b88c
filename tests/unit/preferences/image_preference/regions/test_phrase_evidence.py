"""Promises about evidence: a checkpoint's offset does not matter, what is there does."""

import pytest
import torch
from torch import Tensor

from groundtune.preferences.image_preference.regions.phrase_evidence import (
    IMAGE_PRIOR_NATS,
    PATCH_PRIOR_NATS,
    best_place,
    evidence,
    extent,
)
from groundtune.preferences.image_preference.regions.phrase_evidence import presence as presence_with


def scene(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits of a phrase that two by two patches show, and of 40 references, [6, 6] and [6, 6, 40]."""
    generator = torch.Generator().manual_seed(seed)
    logits, references = torch.randn(6, 6, generator=generator), torch.randn(6, 6, 40, generator=generator)
    logits[2:4, 1:3] += 6.0
    return logits, references


def presence(nats: Tensor) -> Tensor:
    return presence_with(nats, PATCH_PRIOR_NATS)


def test_an_offset_that_all_phrases_share_does_not_matter() -> None:
    logits, references = scene()
    assert torch.allclose(evidence(logits + 20, references + 20), evidence(logits, references), atol=1e-5)


def test_asking_the_references_twice_changes_nothing() -> None:
    logits, references = scene()
    twice = torch.cat([references, references], -1)
    assert torch.allclose(evidence(logits, twice), evidence(logits, references), atol=1e-5)


def test_what_is_there_scores_high_and_is_painted_where_it_is() -> None:
    nats = evidence(*scene())
    assert presence(nats) > 0.8
    painted = extent(nats) >= 0.5
    assert painted[2:4, 1:3].float().mean() >= 0.75
    assert painted.sum() <= 5


def test_what_is_not_there_scores_low() -> None:
    logits, references = scene()
    nats = evidence(references[..., 7], references)
    assert presence(nats) < 0.5
    assert presence(nats) < presence(evidence(logits, references))


def test_a_patch_that_likes_every_phrase_is_no_evidence() -> None:
    logits, references = scene()
    logits[5, 5] += 8.0
    references[5, 5] += 8.0
    assert evidence(logits, references)[5, 5] < 2.0 < best_place(evidence(logits, references))


def test_an_empty_wall_is_no_evidence() -> None:
    logits, references = scene()
    logits[:, 5], references[:, 5] = -3.0, -8.0  # nothing fits, the phrase a little less badly
    assert evidence(logits, references)[:, 5].max() < 0.0


def test_one_patch_alone_is_less_than_four() -> None:
    one = torch.zeros(6, 6)
    one[0, 0] = 4.0
    four = torch.zeros(6, 6)
    four[:2, :2] = 4.0
    assert presence(one) < 0.5 < presence(four)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (24, 24)])
def test_any_shape_of_grid_is_read(shape: tuple[int, int]) -> None:
    nats = torch.linspace(-3, 3, shape[0] * shape[1]).reshape(shape)
    assert 0 <= presence(nats) <= 1
    assert extent(nats).shape == shape


def test_a_whole_image_is_a_grid_of_one_patch() -> None:
    _, references = scene()
    whole = references[:1, :1]
    better, worse = whole[0, 0].max() + 2, whole[0, 0].min()
    assert presence_with(evidence(better.reshape(1, 1), whole), IMAGE_PRIOR_NATS) > 0.8
    assert presence_with(evidence(worse.reshape(1, 1), whole), IMAGE_PRIOR_NATS) < 0.2
