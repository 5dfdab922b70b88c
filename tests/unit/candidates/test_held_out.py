"""Held-out prompts: by name and seed alone."""

import numpy as np
import pyarrow as pa

from groundtune.candidates.held_out import held_out

IDS = [f"kitchen-{number}" for number in range(4000)]


def test_a_larger_share_holds_what_a_smaller_one_holds() -> None:
    small, large = held_out(IDS, 0.2, 3), held_out(IDS, 0.5, 3)
    assert not (small & ~large).any()
    assert abs(small.mean() - 0.2) < 0.02 and abs(large.mean() - 0.5) < 0.03


def test_what_holds_for_a_prompt_depends_on_no_other() -> None:
    whole = held_out(IDS, 0.3, 0)
    assert (held_out(IDS[::-1], 0.3, 0) == whole[::-1]).all()
    assert (held_out(IDS[7:9], 0.3, 0) == whole[7:9]).all()
    assert (held_out(pa.chunked_array([IDS[:5], IDS[5:]]), 0.3, 0) == whole).all()


def test_another_seed_holds_out_others() -> None:
    assert (held_out(IDS, 0.5, 0) != held_out(IDS, 0.5, 1)).mean() > 0.4


def test_the_ends_hold_nothing_and_everything() -> None:
    assert not held_out(IDS, 0.0, 0).any()
    assert held_out(IDS, 1.0, 0).all()
    assert held_out([], 0.5, 0).dtype == np.bool_


def test_the_rule_is_the_same_in_every_release() -> None:
    """Artifacts of earlier runs stay valid only as long as it is."""
    assert [name for name, held in zip(IDS[:12], held_out(IDS[:12], 0.3, 0), strict=True) if held] == [
        f"kitchen-{number}" for number in (0, 2, 3, 4, 5, 9)
    ]
