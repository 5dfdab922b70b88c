"""The probe's section: base against aligned in words, and the reason where they do not compare."""

import re
from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from groundtune.benchmarks.modality_probe.comparison import compare_probes
from groundtune.benchmarks.modality_probe.figures import FIGURES
from groundtune.report.charts.dot_rows import DotRow, dot_rows
from groundtune.report.modality_probe import Probe, line_of, probe_of
from groundtune.report.outcome import outcome_of
from groundtune.report.probe_charts import CHARTS
from groundtune.report.run_artifacts import open_run
from groundtune.report.summary import markdown
from tests.unit.report.image_runs import probe
from tests.unit.report.runs import FakeRun, build
from tests.unit.report.test_page import Reader


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    root = tmp_path_factory.mktemp("probe") / "run"
    run = build(root, prompts=12, questions=6, steps=4)
    return run.having(base_probe=probe(root / "base_probe"), aligned_probe=probe(root / "aligned_probe", "lora"))


def shown(run: FakeRun) -> Probe:
    found = probe_of(open_run(run.paths))
    assert found is not None
    return found


def test_the_figures_are_those_of_the_comparison(shared: FakeRun) -> None:
    base, aligned = (
        read_artifact(path, "probe") for path in (shared.paths.base_probe, shared.paths.aligned_probe) if path
    )
    figures = shown(shared).figures
    compared = compare_probes(base, aligned)
    assert compared
    for one in compared:
        assert figures[one.section, one.name].difference == one.difference.as_dict()
    rewards = figures["reward", "image"]
    assert rewards.base is None
    assert rewards.aligned is not None
    assert rewards.aligned["value"] == pytest.approx(7.45)


def test_every_chart_shows_figures_that_probes_have() -> None:
    known = {(figure.section, figure.name) for figure in FIGURES}
    assert {key for chart in CHARTS for key, _ in chart.rows} <= known


def test_a_change_is_said_with_its_interval_and_only_when_it_is_clear(shared: FakeRun, tmp_path: Path) -> None:
    said = shown(shared).findings[1]
    assert "With the whole picture destroyed, 10.0\u202f% of the yes/no answers change before training" in said
    assert re.search(r"80\.0\u202f% after it \(\+70\.0\u202fpoints, 95\u202f% interval \+\d", said)
    assert "no clear change" not in said
    alike = shared.having(aligned_probe=probe(tmp_path / "alike", "lora", changed=3))
    assert "no clear change" in shown(alike).findings[1]


def test_the_section_shows_both_models_and_what_was_asked(shared: FakeRun) -> None:
    read = Reader(shared.page())
    assert "Does the answer depend on the image?" in read.text
    assert (
        "30 yes/no questions (in 3 what they speak of was not found), 10 descriptions, 10 preference pairs" in read.text
    )
    assert [panel.title for panel in shown(shared).panels] == [chart.title for chart in CHARTS]
    for panel in shown(shared).panels:
        assert "aligned model" in panel.chart


def test_one_probe_alone_is_shown_with_the_reason(shared: FakeRun) -> None:
    text = Reader(shared.having(base_probe=None).page()).text
    assert "The base model was not probed, so there is nothing to compare." in text
    assert "95 % intervals over pictures" not in text
    alone = shown(shared.having(aligned_probe=None))
    assert alone.problem.startswith("The aligned model was not probed")
    assert alone.figures["question", "changed_destroyed"].base is not None
    assert alone.findings == []
    assert probe_of(open_run(shared.having(base_probe=None, aligned_probe=None).paths)) is None


def test_probes_of_different_noise_are_shown_without_a_difference(shared: FakeRun, tmp_path: Path) -> None:
    found = shown(shared.having(aligned_probe=probe(tmp_path / "other", "lora", noise=500)))
    assert "were not probed alike: probe.noise_step" in found.problem
    assert found.findings[1] == (
        "With the whole picture destroyed, 10.0\u202f% of the yes/no answers change before training and "
        "80.0\u202f% after it."
    )


def test_a_part_that_was_left_out_has_no_chart_and_a_note(tmp_path: Path, shared: FakeRun) -> None:
    rows = [row for row in read_artifact(str(shared.paths.base_probe), "probe").rows() if row["probe"] == "pair"]
    only = probe(tmp_path / "pairs", rows=rows)
    found = shown(shared.having(base_probe=only, aligned_probe=None))
    assert [panel.title for panel in found.panels] == ["What the picture adds to an answer’s probability"]
    assert any(note.startswith("question:") for note in found.notes)
    assert "not measured" in shared.having(base_probe=only, aligned_probe=None).page()


def test_the_summary_has_one_line_of_the_probe(shared: FakeRun) -> None:
    opened = open_run(shared.paths)
    text = markdown(opened, outcome_of(opened), "T")
    assert text.count("**Image dependence:** With only what is asked about destroyed") == 1
    assert line_of(open_run(shared.having(base_probe=None, aligned_probe=None).paths)) == ""


def test_the_flow_counts_what_was_probed(shared: FakeRun) -> None:
    shown = Reader(shared.page()).text
    assert "Probe, base model" in shown
    assert "50 probed" in shown


def test_dots_stand_in_the_order_of_their_values_on_one_axis() -> None:
    marks = [("base", "base", estimate(0.2)), ("aligned", "aligned", estimate(0.7))]
    svg = dot_rows("t <b>", "share", [DotRow("a <i> row", marks), DotRow("next", [marks[1]])], limits=(0.0, 1.0))
    xs = [float(value) for value in re.findall(r'cx="([\d.]+)"', svg)]
    assert xs[0] < xs[1] == xs[2]
    assert re.findall(r'text-anchor="middle" class="tick">([^<]+)<', svg) == ["0", "0.5", "1"]
    assert "<b>" not in svg
    assert "<i>" not in svg
    wide = dot_rows("t", "times", [DotRow("row", [("base", "base", estimate(1.4))])], reference=1.0)
    assert 'class="zero"' in wide


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}
