"""What a comparison leaves behind is kept whole, and its block is made of it."""

import json
from pathlib import Path

from bench import comparison
from bench.pages import comparison_block, comparison_charts, comparison_sentence
from groundtune.report import comparison_stage
from tests.unit.comparison.worlds import Made, Skill
from tests.unit.comparison.worlds import comparison as made_up

METHODS = [Made("m3po", Skill(invents=0.2)), Made("sft", Skill(invents=0.4))]
HALF = Made("m3po_half", Skill(invents=0.3), {"curve": {"name": "share of the pairs", "of": "m3po", "value": 0.5}})
SPENT = [{"settings": "a", "seconds": 600.0, "trainings": 4}, {"settings": "a", "seconds": 90.0, "trainings": 2}]


def kept(root: Path, methods: list[Made]) -> tuple[Path, Path]:
    """(the JSON file, the folder of tables that it was made of)"""
    seeds = [made_up(root / str(seed), seed, methods).path for seed in (0, 1)]
    comparison_stage.run(seeds, root / "page.html", root / "summary.md", root / "tables", rivals=["sft"])
    command = "python -m bench.comparison demo-plain"
    study = json.loads((root / "tables" / "comparison.json").read_text())
    return comparison.keep("demo-plain", study, SPENT, root / "results", command), root / "tables"


def test_figures_and_charts_are_kept_and_shown(tmp_path: Path) -> None:
    file, tables = kept(tmp_path, METHODS)
    assert file.name == "comparison_demo_plain.json"
    found = json.loads(file.read_text())
    assert found["study"] == json.loads((tables / "comparison.json").read_text())
    charts = comparison_charts(file.stem, found)
    drawn = {f"comparison_demo_plain-{chart.name}": chart.read_text() for chart in (tables / "figures").iterdir()}
    assert charts == drawn and charts
    block = comparison_block(file.stem, found)
    assert all(chart in block for chart in charts)
    assert "sft" in block and "4 trainings in 10 min, then 2 trainings in 2 min" in block
    assert "`python -m bench.comparison demo-plain`" in block
    figures = found["study"]["methods"][0]["figures"]
    said, covered = (100 * figures[key]["value"] for key in ("chair/chairs", "chair/recall"))
    assert f"m3po {said:.1f} ({covered:.1f})" in comparison_sentence(found)


def test_the_charts_of_a_study_of_curves_are_its_curves(tmp_path: Path) -> None:
    whole = Made("m3po", METHODS[0].skill, {"curve": {"name": "share of the pairs", "of": "m3po", "value": 1.0}})
    file, tables = kept(tmp_path, [whole, METHODS[1], HALF])
    charts = comparison_charts(file.stem, json.loads(file.read_text()))
    assert "comparison_demo_plain-share-of-the-pairs-chair-chairs.svg" in charts
    assert all("share-of-the-pairs" in name for name in charts) and (tables / "figures" / "chair-chairs.svg").exists()


def test_runs_of_the_same_settings_in_a_work_folder_are_remembered(tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "a" / "adapter").mkdir(parents=True)
    (tmp_path / "artifacts" / "a" / "adapter" / "manifest.json").write_text("{}")
    assert len(comparison.trained(tmp_path)) == 1
    slow, fast = ({"common": {"training": {"learning_rate": rate}}, "methods": []} for rate in (1e-3, 2e-3))
    comparison.noted(tmp_path, slow, 60.0, 3)
    comparison.noted(tmp_path, fast, 5.0, 0)
    runs = comparison.noted(tmp_path, fast, 70.0, 2)
    assert [(one["seconds"], one["trainings"]) for one in runs] == [(70.0, 2)], "nothing was trained in the other one"
    assert len(comparison.noted(tmp_path, fast, 80.0, 1)) == 2
