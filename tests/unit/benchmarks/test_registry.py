"""Benchmark names."""

import pytest

from groundtune.benchmarks.registry import benchmark_named
from groundtune.errors import SettingError


@pytest.mark.parametrize("name", ["pope", "pope_random", "pope_my_own_split", "chair"])
def test_a_known_name_gives_its_benchmark(name: str) -> None:
    benchmark = benchmark_named(name)
    assert benchmark.name == name
    assert benchmark.family == ("pope" if name.startswith("pope") else "chair")


@pytest.mark.parametrize("name", ["mmme", "", "pope_", "chair_random", "Pope", "_pope"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(SettingError, match="one of pope, pope_<split>, chair"):
        benchmark_named(name)


@pytest.mark.parametrize("name", ["pope", "chair"])
def test_every_metric_says_which_direction_is_better(name: str) -> None:
    from groundtune.benchmarks.question import Answered, Question

    benchmark = benchmark_named(name)
    truth, parsed, kind = ("yes", "yes", "yes_no") if name == "pope" else (["dog"], '["dog"]', "caption")
    one = Answered(Question(name, "1", "a.png", "?", truth, kind), "Yes", parsed)
    for reading in benchmark.readings:
        totals = {key: column.sum() for key, column in benchmark.score([one], reading).columns.items()}
        assert benchmark.metrics(totals).keys() == benchmark.better.keys()
    assert set(benchmark.averaged) <= benchmark.better.keys()
    assert {benchmark.direction(metric) for metric in benchmark.better} <= {"higher", "lower", ""}
