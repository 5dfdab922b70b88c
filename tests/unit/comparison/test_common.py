"""What all methods share stands beside their figures."""

from groundtune.comparison.common import common_settings
from groundtune.comparison.planning import plan


def test_settings_that_are_no_defaults_and_alike_in_all_methods_are_common() -> None:
    common = {
        "selection": {"max_pairs": 7, "mu": 0.25},
        "training": {"answer_tokens": 90, "learning_rate": 0.002, "seed": 4},
    }
    other = {"name": "two", "selection": {"mu": 0.75}}
    methods = [{"name": "one"}, other, {"name": "three", "trainer": "simulated_rlhf"}]
    pools = {"sampling": {"num_candidates": 4, "temperature": 1.0, "seed": 3}, "alignment": {}, "confidence": {}}
    planned = plan(methods, common, "one", [])
    for method in planned:
        method["selection"]["max_pairs"] = 7.0  # as KFP's structs have it
    found = common_settings(pools, planned)
    assert found == {
        "sampling": {"num_candidates": 4},
        "selection": {"max_pairs": 7},
        "training": {"answer_tokens": 90, "learning_rate": 0.002},
    }
    assert isinstance(found["selection"]["max_pairs"], int)
