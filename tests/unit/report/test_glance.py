"""What the figure, the tiles and the tally show, and what they leave to the tables."""

import pytest

from groundtune.report.evaluation.figure import panels
from groundtune.report.evaluation.figures import Figures, Group, Line, key_lines
from groundtune.report.evaluation.headline import tiles_of
from groundtune.report.metrics import metric_of


def line(metric: str, *values: float) -> Line:
    figures = tuple({"value": value, "low": value, "high": value} for value in values)
    return Line(metric, metric_of("mme", metric), "lower" if metric == "unparsed" else "higher", figures)


def figures(*unparsed: float) -> Figures:
    """Some tasks of MME: no key metric, so all that have a direction are shown."""
    lines = [line("accuracy", 0.7, 0.8), line("accuracy_plus", 0.4, 0.5), line("unparsed", *unparsed)]
    return Figures(("base", "aligned"), [Group("mme", "official", True, False, (None, None), lines)], "", 0.95, [])


@pytest.mark.parametrize(("unparsed", "shown"), [((0.0, 0.0), False), ((0.009, 0.0), False), ((0.0, 0.02), True)])
def test_what_could_not_be_read_is_a_key_figure_only_when_it_is_more_than_one_percent(
    unparsed: tuple[float, float], shown: bool
) -> None:
    found = figures(*unparsed)
    names = ["accuracy", "accuracy_plus", *(["unparsed"] if shown else [])]
    assert [one.metric for _, one in key_lines(found)] == names
    assert len(tiles_of(found)) == len(names)
    assert len(panels(found)) == 1 + shown, "the only metric that is better when lower"
