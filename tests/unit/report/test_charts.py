"""Charts: what the data says is what is drawn."""

import itertools
import math
import re

import numpy as np
import pytest

from groundtune.report.charts.figure import Scale, coordinate, polyline, round_ticks, tick_text
from groundtune.report.charts.histogram import Group, histogram
from groundtune.report.charts.intervals import difference_strip, interval_plot
from groundtune.report.charts.lines import Curve, line_chart, moving_mean, thinned
from groundtune.report.charts.scatter import Points, downsampled, scatter
from groundtune.report.charts.value_lines import ValueLine, value_lines


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.3, 0.7), (0.0, 4.7e-4), (1.0, 81_234.0), (-0.01, 0.0)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 * abs(high) <= tick <= high * (1 + 1e-9) + 1e-12 for tick in ticks)
    gaps = [second - first for first, second in itertools.pairwise(ticks)]
    steps = {round(gap / 10 ** math.floor(math.log10(gap) + 1e-9), 6) for gap in gaps}
    assert steps <= {1.0, 2.0, 5.0}


def test_a_range_without_width_has_one_tick_and_a_place() -> None:
    assert round_ticks(3.0, 3.0) == [3.0]
    assert Scale(3.0, 3.0, 0.0, 10.0)(3.0) == 5.0
    assert (tick_text(0.0), tick_text(2e-5), tick_text(-0.2), tick_text(12000.0)) == ("0", "2e−5", "−0.2", "12,000")
    assert (coordinate(-0.04), coordinate(10.0), coordinate(3.14159)) == ("0", "10", "3.1")


def test_a_histogram_hides_no_value() -> None:
    svg = histogram("t", "x", [Group("all", "all", np.array([-5.0, 0.1, 0.1, 7.0]))], (0.0, 1.0), bins=4)
    shares = [float(share) for share in re.findall(r": ([\d.]+)%</title>", svg)]
    assert sum(shares) == pytest.approx(100.0)


def test_a_gap_in_a_curve_is_a_gap_in_the_line() -> None:
    assert polyline([(0, 0), (1, 1), (2, math.nan), (3, 3), (4, 4)]) == "M0 0L1 1M3 3L4 4"
    assert moving_mean([1.0, math.nan, 3.0], 1) == [1.0, 2.0, 3.0]
    assert math.isnan(moving_mean([math.nan], 1)[0])


def test_long_logs_are_thinned_and_keep_their_end() -> None:
    points = [(float(n), 0.0) for n in range(10_001)]
    kept = thinned(points)
    assert len(kept) <= 602
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_one_step_of_training_is_still_a_chart() -> None:
    assert "NaN" not in line_chart("t", [1.0], [Curve("loss", "margin", [0.7])])


def test_a_scatter_shows_at_most_two_thousand_points_by_their_ids() -> None:
    groups = [Points(name, name, [(f"{name}{n}", n / 9000, 0.5) for n in range(9000)]) for name in ("all", "chosen")]
    kept = downsampled(groups)
    assert [len(group.points) for group in kept] == [1000, 1000]
    shuffled = [Points(group.name, group.kind, group.points[::-1]) for group in groups]
    assert downsampled(shuffled) == kept
    assert scatter("t", "x", kept, (0.0, 1.0)).count("h0") == 2000


def test_titles_of_charts_are_escaped() -> None:
    estimate = {"value": 0.1, "low": 0.0, "high": 0.2}
    for svg in (interval_plot("<b>", [("<i>", "base", estimate)]), difference_strip("<b>", estimate, 1.0, "better")):
        assert "<b>" not in svg
        assert "<i>" not in svg
        assert "&lt;b&gt;" in svg


def test_the_last_value_of_a_setting_is_written_in_full() -> None:
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    lines = [ValueLine("m3po", "line0", [(0.05, estimate), (1.0, estimate)])]
    svg = value_lines("t", "level", "label", lines, values=lambda value: "a long value" if value == 1.0 else "5 %")
    width = float(re.findall(r'viewBox="0 0 ([\d.]+) ', svg)[0])
    (middle,) = (float(x) for x in re.findall(r'<text x="([\d.]+)"[^>]*>a long value</text>', svg))
    assert middle + len("a long value") * 7.2 / 2 <= width
