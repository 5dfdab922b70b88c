"""What a rule of the gate can be about, as the benchmarks say: a typing error is found before anything is computed."""

from collections.abc import Iterable, Iterator

from groundtune.benchmarks.registry import benchmark_named
from groundtune.errors import SettingError
from groundtune.settings import GateSettings


def check_rules(settings: GateSettings, benchmarks: Iterable[str]) -> None:
    """Before anything is computed: every rule is about a metric of these benchmarks that has a better direction. Raises
    SettingError that lists them."""
    names = list(benchmarks)
    means = {f"{family}/{metric}" for family, metric in of_families(names)}
    for setting in ("must_improve", "may_fall", "may_fall_from_base"):
        for key in getattr(settings, setting):
            name, _, metric = key.partition("/")
            if key not in means and not (name in names and benchmark_named(name).direction(metric)):
                known = sorted(means.union(*({f"{name}/{one}" for one in _directed(name)} for name in names)))
                raise SettingError(setting, key, f"a metric that is measured, one of {', '.join(known)}", "gate")


def _directed(name: str) -> list[str]:
    benchmark = benchmark_named(name)
    return [metric for metric in benchmark.better if benchmark.direction(metric)]


def of_families(names: list[str]) -> Iterator[tuple[str, str]]:
    """(family, metric) of the mean over splits, or of the only split that is asked."""
    for name in names:
        benchmark = benchmark_named(name)
        for metric in benchmark.averaged if name != benchmark.family else ():
            yield benchmark.family, metric
