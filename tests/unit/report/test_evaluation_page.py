"""Evaluations as a page, Markdown and LaTeX: whole, escaped, honest about what was refused, left out or published."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.comparison import compare
from groundtune.benchmarks.registry import BENCHMARKS, benchmark_named
from groundtune.errors import ArtifactError
from groundtune.report.evaluation.figures import Evaluated, figures_of, key_lines
from groundtune.report.evaluation.latex import escape, latex
from groundtune.report.evaluation.markdown import markdown
from groundtune.report.evaluation.published import MEASURED, PUBLISHED, Published, published_beside
from groundtune.report.evaluation_page import write_evaluation
from groundtune.report.metrics import METRICS, metric_of
from tests.unit.report.runs import FakeRun, build
from tests.unit.report.test_page import INJECTION, Reader

NO_JUDGE = "no judge: set judge.base_url and judge.model"
NOTHING = Published([], [])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return build(tmp_path_factory.mktemp("run") / "a")


@pytest.fixture(scope="module")
def models(run: FakeRun) -> list[Artifact]:
    return [read_artifact(str(path), "answers") for path in (run.paths.base_answers, run.paths.aligned_answers)]


def evaluated(models: list[Artifact]) -> list[Evaluated]:
    return [Evaluated(name, model) for name, model in zip(("base", "aligned"), models, strict=True)]


def changed(model: Artifact, **results: Any) -> Artifact:
    """The same answers with other figures in the manifest."""
    return replace(model, manifest=model.manifest | {"results": model.results | results})


def with_refused(model: Artifact) -> Artifact:
    benchmarks = json.loads(json.dumps(model.results["benchmarks"]))
    benchmarks["chair"]["refused"] = {"score": NO_JUDGE}
    return changed(model, benchmarks=benchmarks)


def without_chairi(model: Artifact) -> Artifact:
    benchmarks = json.loads(json.dumps(model.results["benchmarks"]))
    del benchmarks["chair"]["metrics"]["chairi"]
    return changed(model, benchmarks=benchmarks)


def page_of(run: FakeRun, base: Artifact | None, model: Artifact, **arguments: Any) -> str:
    out = run.root / "evaluation.html"
    write_evaluation(base, model, out, run.images_root, **arguments)
    return out.read_text(encoding="utf-8")


def test_every_figure_of_the_comparison_is_on_the_page_and_in_both_tables(
    run: FakeRun, models: list[Artifact], tmp_path: Path
) -> None:
    page = page_of(run, *models, summary=tmp_path / "s.md", tables=tmp_path / "t.tex")
    rows = compare(*models)["rows"]
    figures = figures_of(evaluated(models))
    lines = {(group.benchmark, group.reading, line.metric): line for group in figures.groups for line in group.lines}
    assert {(row["benchmark"], row["reading"], row["metric"]) for row in rows} == lines.keys()
    for row in rows:
        line = lines[row["benchmark"], row["reading"], row["metric"]]
        assert [figure and figure["value"] for figure in line.figures] == [
            row["base"]["value"],
            row["aligned"]["value"],
        ]
        assert line.difference == row["difference"] and line.verdict == row["verdict"]
    chairs = next(row for row in rows if row["metric"] == "chairs")
    for model in ("base", "aligned"):
        value = f"{chairs[model]['value'] * 100:.1f}"
        assert f"{value}\u202f%" in page
        assert f"{value}\u202f%" in (tmp_path / "s.md").read_text()
        assert f"{value}\\,\\%" in (tmp_path / "t.tex").read_text()


def test_the_page_is_whole_and_every_link_leads_somewhere(run: FakeRun, models: list[Artifact]) -> None:
    for base in (models[0], None):
        page = page_of(run, base, models[1])
        tags = Reader(page).tags
        ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
        links = [attributes["href"] for tag, attributes in tags if tag == "a"]
        assert links and all(link and link.removeprefix("#") in ids for link in links)
        assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object")]
        sources = [str(attributes["src"]) for tag, attributes in tags if tag == "img"]
        assert sources and all(source.startswith("data:image/") for source in sources)
        for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
            ElementTree.fromstring(svg)
        assert {"chart"} <= {str(attributes.get("class")) for tag, attributes in tags if tag == "svg"}


def test_the_same_evaluations_write_the_same_bytes(run: FakeRun, models: list[Artifact]) -> None:
    assert page_of(run, *models) == page_of(run, *models)


def test_a_single_model_is_shown_without_differences(run: FakeRun, models: list[Artifact]) -> None:
    page = page_of(run, None, models[1])
    assert "difference" not in Reader(page).text and "before" not in Reader(page).text.split("Answers")[0]
    figures = figures_of(evaluated(models)[1:])
    assert figures.models == ("aligned",) and figures.problem == ""
    assert "difference" not in markdown(figures, NOTHING, "One")


def test_what_a_model_says_never_becomes_markup(tmp_path: Path) -> None:
    hostile = build(tmp_path / "run", alter=lambda text: text + INJECTION)
    paths = [str(hostile.paths.base_answers), str(hostile.paths.aligned_answers)]
    base, aligned = (read_artifact(path, "answers") for path in paths)
    out, summary, tables = (tmp_path / name for name in ("e.html", "e.md", "e.tex"))
    names = (f"<b>{INJECTION}", "50% of $x_1$ & co \\input{x}")
    write_evaluation(
        base, aligned, out, hostile.images_root, INJECTION, summary=summary, tables=tables, names=names
    )  # fmt: skip
    tags = Reader(out.read_text()).tags
    assert not [tag for tag, _ in tags if tag == "script"]
    assert not [a for tag, a in tags if tag == "img" and "evil" in str(a.get("src"))]
    assert "<script" not in summary.read_text() and "<b>" not in summary.read_text()
    assert r"50\% of \$x\_1\$ \& co \textbackslash{}input\{x\}" in tables.read_text()


@pytest.mark.parametrize("text", ["\\", "a_b^c~d", "100 %", "{x}", "$#&", "x<y>z", "−1 → 2", "a\nb", '"q" | “r”'])
def test_latex_sees_no_special_character_of_a_text(text: str) -> None:
    shown = escape(text)
    for known in (r"\\textbackslash{}", r"\\textascii\w+{}", r"\\text\w+{}", r"\\[&%$#_{},]", r"\$-\$", r"\$\\\w+\$"):
        shown = re.sub(known, "", shown)
    assert not set(shown) & set('\\&%$#_{}^\n<>|"−→'), shown


def test_rows_of_latex_tables_have_as_many_cells_as_columns(models: list[Artifact]) -> None:
    figures = figures_of(evaluated([with_refused(models[0]), models[1]]))
    text = latex(figures, NOTHING, details=True)
    tables = re.findall(r"\\begin\{tabular\}\{(l+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tables) == len(figures.groups)
    for columns, body in tables:
        rows = [row for row in body.split(r"\\") if "&" in row]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
    assert text.count(r"\begin{table}") == text.count(r"\end{table}")


def test_a_refused_metric_is_shown_as_refused_with_its_reason(run: FakeRun, models: list[Artifact]) -> None:
    refused = [with_refused(model) for model in models]
    page = Reader(page_of(run, *refused)).text
    assert "refused" in page and NO_JUDGE in page
    figures = figures_of(evaluated(refused))
    text = markdown(figures, NOTHING, "")
    assert "| score | refused | refused |" in text
    assert "base and aligned: no judge: set judge.base\\_url" in text
    assert NO_JUDGE.replace("_", r"\_") in latex(figures, NOTHING)


def test_questions_that_were_left_out_are_counted_and_named(
    run: FakeRun, models: list[Artifact], tmp_path: Path
) -> None:
    rows = list(models[1].rows())
    writer = ArtifactWriter(tmp_path / "some", "answers", models[1].settings, models[1].manifest["parents"])
    writer.write_part(0, rows, [reject("chair/eval-99", "image", "eval-99.png does not exist")])
    benchmarks = json.loads(json.dumps(models[1].results["benchmarks"]))
    benchmarks["chair"]["excluded"] = 1
    made = writer.finish(len(rows) + 1, results=lambda _: {**models[1].results, "benchmarks": benchmarks})
    page = Reader(page_of(run, None, made)).text
    assert "1 left out" in page and "eval-99.png does not exist" in page
    assert "1 left out" in markdown(figures_of([Evaluated("aligned", made)]), NOTHING, "")


def test_evaluations_that_do_not_compare_stand_side_by_side_with_the_reason(
    run: FakeRun, models: list[Artifact]
) -> None:
    other = json.loads(json.dumps(models[1].results["identity"]))
    other["protocol"]["decoding"] = {"caption": "sampled"}
    figures = figures_of(evaluated([models[0], changed(models[1], identity=other)]))
    assert "not evaluated alike: decoding" in figures.problem and figures.rows == []
    assert all(line.difference is None for group in figures.groups for line in group.lines)
    page = page_of(run, models[0], changed(models[1], identity=other))
    assert "not evaluated alike" in page and "cannot be compared" in page


def test_a_figure_that_one_model_lacks_leaves_a_gap_and_no_number(models: list[Artifact]) -> None:
    three = [*evaluated(models), Evaluated("third", without_chairi(models[1]))]
    figures = figures_of(three)
    line = next(line for group in figures.groups for line in group.lines if line.metric == "chairi")
    assert line.figures[2] is None and line.figures[0] is not None
    row = next(row for row in markdown(figures, NOTHING, "").splitlines() if row.startswith("| CHAIRi"))
    assert row.endswith("| – |")


def test_key_figures_are_of_means_instead_of_their_splits(models: list[Artifact]) -> None:
    found = [(group.benchmark, line.metric) for group, line in key_lines(figures_of(evaluated(models)))]
    assert ("pope", "f1") in found and not [name for name, _ in found if name.startswith("pope_")]
    assert len(found) == len(set(found))


def test_a_slice_and_another_kind_of_artifact_are_refused(run: FakeRun, models: list[Artifact]) -> None:
    with pytest.raises(ArtifactError, match="join the slices"):
        Evaluated("x", replace(models[0], manifest=models[0].manifest | {"results": {}}))
    with pytest.raises(ArtifactError, match="expected an evaluation's 'answers'"):
        Evaluated("x", read_artifact(run.paths.pairs, "pairs"))


def test_every_metric_of_every_benchmark_has_words_and_a_scale() -> None:
    """A share that this table does not know would be written as 0.275 where people expect 27.5 %."""
    names = {name: benchmark_named(name).better for name in BENCHMARKS}
    assert not [f"{name}: {metric}" for name, better in names.items() for metric in better if not _known(name, metric)]


def _known(name: str, metric: str) -> bool:
    return metric_of(name, metric).name != metric or metric.rpartition(".")[2] in METRICS


# Published rows -----------------------------------------------------------------------------------------------------


def known(models: list[Artifact], **of_set: Any) -> Mapping[str, Any]:
    """A published set of the size of this run's captions, with one published row."""
    asked = sum(row["benchmark"] == "chair" for row in models[0].rows())
    return {
        "sources": {"paper": {"text": "A paper (2025)", "note": "quoted"}},
        "sets": {"chair": {"kind": "caption", "questions": asked} | of_set},
        "tables": [
            {
                "title": "CHAIR",
                "protocol": "objects extracted by a language model",
                "columns": [
                    {"label": "CHAIRs", "set": "chair", "metric": "chairs"},
                    {"label": "words", "set": "chair", "metric": "words"},
                ],
                "rows": [{"model": "LLaVA", "source": "paper", "values": ["53.6", ""]}],
            }
        ],
    }


def test_published_rows_are_marked_and_never_mixed_with_measured_ones(models: list[Artifact]) -> None:
    both = evaluated(models)
    figures = figures_of(both)
    published = published_beside(both, figures, known(models))
    (table,) = published.tables
    assert [(row.kind, row.model) for row in table.rows] == [
        (PUBLISHED, "LLaVA"), (MEASURED, "base"), (MEASURED, "aligned"),
    ]  # fmt: skip
    assert table.rows[0].cells == ("53.6", "") and table.rows[0].source == "A paper (2025)"
    chairs = models[0].results["benchmarks"]["chair"]["metrics"]["chairs"]
    assert table.rows[1].cells[0] == (
        f"{chairs['value'] * 100:.1f} [{chairs['low'] * 100:.1f}, {chairs['high'] * 100:.1f}]"
    )
    notes = " ".join(table.notes)
    assert "objects extracted by a language model" in notes and "chair-rules-1" in notes, "both protocols are said"
    text = markdown(figures, published, "")
    assert "| published | LLaVA | 53.6 | – | A paper" in text and "| **measured** | base |" in text
    assert r"\textbf{measured} & base" in latex(figures, published)


@pytest.mark.parametrize(
    ("of_set", "why"),
    [
        ({"questions": 3000}, "30 questions, the published set has 3,000"),
        ({"sha256": ["0" * 64]}, "not of the published file"),
    ],
)
def test_other_questions_than_the_published_ones_get_no_published_rows(
    models: list[Artifact], of_set: dict[str, Any], why: str
) -> None:
    both = evaluated(models)
    published = published_beside(both, figures_of(both), known(models, **of_set))
    assert published.tables == [] and len(published.absent) == 1 and why in published.absent[0]


def test_questions_of_another_kind_are_not_taken_for_the_published_ones(models: list[Artifact]) -> None:
    both = evaluated(models)
    assert published_beside(both, figures_of(both), known(models, kind="open")) == NOTHING


def test_a_limit_or_questions_left_out_get_no_published_rows(models: list[Artifact]) -> None:
    limited = replace(models[1], manifest=models[1].manifest | {"settings": models[1].settings | {"limit": 5}})
    benchmarks = json.loads(json.dumps(models[1].results["benchmarks"]))
    benchmarks["chair"]["excluded"] = 2
    for model, why in (
        (limited, "first 5 questions"),
        (changed(models[1], benchmarks=benchmarks), "2 questions were left"),
    ):
        one = [Evaluated("aligned", model)]
        published = published_beside(one, figures_of(one), known(models))
        assert published.tables == [] and why in published.absent[0]


def test_the_demo_compares_with_no_published_number(run: FakeRun, models: list[Artifact]) -> None:
    both = evaluated(models)
    published = published_beside(both, figures_of(both))
    assert published.tables == []
    assert [why for why in published.absent if why.startswith("POPE")]
    page = page_of(run, *models)
    assert "LLaVA-1.5-7B" not in page and "no published figures beside" in page


def test_published_figures_name_their_source_set_and_columns() -> None:
    from groundtune.report.evaluation.published import _known as published_known

    content = published_known()
    for table in content["tables"]:
        assert table["protocol"]
        for column in table["columns"]:
            assert column.get("set", "pope_random") in content["sets"]
            assert column["metric"] in METRICS
        for row in table["rows"]:
            assert row["source"] in content["sources"] and len(row["values"]) == len(table["columns"])
            assert all(re.fullmatch(r"(\d+(\.\d+)?)?", value) for value in row["values"])
