"""The real vLLM answers as our own engine does. On request: `make vllm` makes its environment and runs this."""

import os
import warnings
from pathlib import Path

import pytest

from bench.sampling_engines import measure

# Read before the tests' environment is cleaned.
VLLM_PYTHON = os.environ.get("GROUNDTUNE_VLLM_PYTHON", "")


@pytest.mark.timeout(1800)
def test_vllm_answers_as_our_own_engine_does(tmp_path: Path) -> None:
    """Greedy answers are equal (near ties may fall otherwise), with an adapter and on LLaVA-1.6; pools are alike."""
    if not VLLM_PYTHON:
        reason = "vLLM IS NOT TRIED HERE: GROUNDTUNE_VLLM_PYTHON names no interpreter that has it (make vllm)"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    found = measure(VLLM_PYTHON, 24, tmp_path)
    for name in ("greedy", "greedy_adapter", "greedy_next"):
        assert found[name]["equal"] >= 0.95, (name, found[name])
        gaps = found[name]["unlike_gaps_nats"]
        assert all(gap < 1e-3 for gap in gaps.values()), f"{name}: not a near tie: {gaps}"
    assert found["greedy"]["distinct_answers"] > 12, "answers that are all alike would agree by chance"
    pools = found["pools"]
    assert abs(pools["confidence_difference"]) < 4 * pools["confidence_standard_error"], pools
    assert abs(pools["vllm"]["distinct_per_pool"] - pools["transformers"]["distinct_per_pool"]) < 1
    assert found["batches"]["equal"] >= 0.9
