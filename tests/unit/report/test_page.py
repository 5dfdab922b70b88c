"""The page of a run: whole, self-contained, escaped, honest about what is missing, the same for the same input."""

import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.digests import digest_of
from groundtune.errors import ArtifactError
from groundtune.report import page
from groundtune.report.answer_changes import changes_of
from groundtune.report.flow import flow_of
from groundtune.report.outcome import outcome_of, sentence
from groundtune.report.provenance import configuration_of
from groundtune.report.run_artifacts import RunPaths, open_run
from groundtune.report.summary import markdown
from groundtune.settings.sections import check_settings
from tests.unit.report.runs import PROTOCOL, FakeRun, build

SECTIONS = ("flow", "scores", "pairs", "training", "benchmarks", "answers", "provenance")
INJECTION = "<script>alert('x')</script><img src=https://evil.example/x.png onerror=alert(1)>"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return build(tmp_path_factory.mktemp("run") / "a")


class Reader(HTMLParser):
    """Tags with their attributes, and the text outside of style."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data


def opened(run: FakeRun) -> Any:
    return open_run(run.paths)


def without(run: FakeRun, *names: str) -> FakeRun:
    return run.having(**dict.fromkeys(names))


def markdown_of(run: FakeRun, title: str = "") -> str:
    return markdown(opened(run), outcome_of(opened(run)), title)


def empty(path: Path, kind: str) -> Path:
    writer = ArtifactWriter(path, kind, {}, {})
    writer.write_part(0, [])
    results = {"benchmarks": {}, "identity": {"protocol": PROTOCOL}} if kind == "answers" else {}
    return writer.finish(0, results=lambda made: results).path


def test_a_run_shows_every_section_and_its_own_numbers(shared: FakeRun) -> None:
    read = Reader(shared.page(title="Kitchen run", gallery=100))
    assert [a["id"] for tag, a in read.tags if tag == "section"] == list(SECTIONS)
    assert {a["href"] for tag, a in read.tags if tag == "a"} == {f"#{name}" for name in SECTIONS}
    pairs = read_artifact(shared.paths.pairs, "pairs")
    assert "Kitchen run" in read.text
    assert f"{len(pairs)} pairs" in read.text
    assert f"{len(read_artifact(shared.paths.scores, 'scores'))} scored answers" in read.text
    shown = " ".join(read.text.split())
    for pair in pairs.rows():
        assert pair["chosen"] in shown
        assert pair["rejected"] in shown


def test_the_page_loads_nothing_and_runs_nothing(shared: FakeRun) -> None:
    text = shared.page()
    read = Reader(text)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in read.tags}
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "poster", "xlink:href"):
                assert (value or "").startswith(("data:image/", "#")), (tag, name, (value or "")[:80])
    assert not re.search(r"url\(|@import|https?://", text)


def test_what_a_model_wrote_never_becomes_markup(tmp_path: Path) -> None:
    run = build(tmp_path / "run", prompts=20, questions=12, alter=lambda text: text.replace(". ", f". {INJECTION} "))
    text = run.page(title=INJECTION)
    read = Reader(text)
    assert "script" not in {tag for tag, _ in read.tags}
    assert not [a for _, a in read.tags if "onerror" in a]
    assert all((a["src"] or "").startswith("data:image/") for tag, a in read.tags if tag == "img")
    assert INJECTION in read.text, "the answers are shown, as text"
    shown = markdown_of(run, INJECTION)
    assert "<script" not in shown
    assert "<img" not in shown


def test_the_same_artifacts_give_the_same_bytes(shared: FakeRun) -> None:
    one = shared.page()
    moved = shared.having(candidates=shared.paths.candidates[::-1])
    assert moved.page() == one


def test_counts_add_up_in_every_stage_and_from_stage_to_stage(shared: FakeRun) -> None:
    run = opened(shared)
    flow = flow_of(run, list(run.scores.rows()), list(run.pairs.rows()))
    assert flow.problems == []
    assert [stage.title.partition(",")[0] for stage in flow.stages] == [
        "Prompts", "Candidates", "Scores", "Pairs", "Training", "Evaluation", "Evaluation",
    ]  # fmt: skip
    for stage in flow.stages:
        assert stage.given == stage.kept + sum(number for _, number in stage.dropped), stage.title
    assert (flow.stages[0].given, flow.stages[0].kept) == (42, 40)
    assert dict(flow.stages[0].dropped) == {"image": 1, "instruction": 1}


def test_artifacts_of_different_runs_are_called_out_on_the_page(shared: FakeRun, tmp_path: Path) -> None:
    other = build(tmp_path / "other", prompts=20, questions=4, steps=5)
    mixed = shared.having(pairs=other.paths.pairs)
    read = Reader(mixed.page())
    assert "Pairs: made from other scores" in read.text
    assert "Adapter: made from other pairs" in read.text
    assert "scores gave 40, pairs took 20" in read.text


def test_an_improvement_is_named_only_when_its_interval_excludes_zero(tmp_path: Path) -> None:
    def said(name: str, before: float, after: float) -> str:
        run = build(tmp_path / name, prompts=6, questions=40, steps=3, invention=(before, after))
        return sentence(outcome_of(opened(run)))

    assert said("better", 0.9, 0.1) == "Fewer answers name things that are not there."
    assert "made it worse" in said("worse", 0.1, 0.9)
    assert "No clear change" in said("same", 0.5, 0.5)


def test_answers_that_got_worse_are_shown_beside_those_that_got_better(tmp_path: Path) -> None:
    run = build(tmp_path / "run", prompts=6, questions=40, steps=3, invention=(0.5, 0.5))
    changes = changes_of(opened(run), page.ImageStore(run.images_root))
    assert changes is not None
    assert min(changes.counts.values()) > 0
    assert sum(changes.counts.values()) == 40
    for kind, examples in changes.examples.items():
        assert len(examples) == min(4, changes.counts[kind])
        for change, picture in examples:
            assert change.kind == kind
            assert picture.uri
    text = run.page()
    wrong = changes.examples["more"][0][0].aligned
    assert f'<mark title="not in the picture">{wrong.invented[0]}' in text


def test_descriptions_of_object_halbench_are_shown_with_the_pictures_of_their_file(
    shared: FakeRun, tmp_path: Path
) -> None:
    run = opened(shared)
    sides = []
    for named in (["dog", "person"], ["dog"]):
        truth = {"objects": ["cup", "dog"], "names": {"puppy": "dog", "dog": "dog"}}
        question = Question("object_halbench", "1", "attached:1.png", "Describe it.", truth, "caption")
        row = row_of(Answered(question, f"A {' and a '.join(named)}.", json.dumps(named)), "0" * 64, None)
        writer = ArtifactWriter(tmp_path / str(len(named)), "answers", {}, {"model": digest_of(str(named))})
        picture = shared.root / "images" / "eval-0000.png"
        writer.write_part(0, [row], files={"1.png": picture.read_bytes()})
        sides.append(writer.finish(1))
    changes = changes_of(replace(run, base=sides[0], aligned=sides[1]), page.ImageStore(shared.images_root))
    assert changes is not None and changes.counts == {"fewer": 1, "same": 0, "more": 0}
    ((change, picture),) = changes.examples["fewer"]
    assert (change.base.invented, change.aligned.invented) == (["person"], []) and change.truth == ["cup", "dog"]
    assert change.aligned.missed == ["cup"], "what a judge's names are looked up in is no object of the picture"
    assert picture.uri


def test_missing_later_stages_are_named_and_do_not_stop_the_page(shared: FakeRun) -> None:
    bare = without(shared, "adapter", "base_answers", "aligned_answers")
    text = Reader(bare.page()).text
    assert "No adapter was trained." in text
    assert "Neither the base nor the aligned model was evaluated." in text
    half = Reader(without(shared, "base_answers").page()).text
    assert "The base model was not evaluated" in half


def test_an_empty_run_gives_an_honest_page(shared: FakeRun, tmp_path: Path) -> None:
    paths: dict[str, Any] = {name: empty(tmp_path / name, name) for name in ("prompts", "scores", "pairs")}
    paths |= {name: empty(tmp_path / name, "answers") for name in ("base_answers", "aligned_answers")}
    paths |= {"candidates": [empty(tmp_path / "candidates", "candidates")]}
    run = FakeRun(shared.root, RunPaths(**paths), [])
    text = Reader(run.page()).text
    for words in (
        "Not measured", "No answer was scored", "No pair was selected", "No adapter was trained", "holds no answers",
    ):  # fmt: skip
        assert words in text
    assert "| Pairs | 0 pools | 0 pairs | none |" in markdown_of(run)


def test_a_run_without_pairs_counts_the_reasons(tmp_path: Path) -> None:
    run = build(tmp_path / "run", prompts=12, questions=6, margin=0.99, steps=0)
    text = Reader(run.page()).text
    assert "0 pairs" in text
    assert "gap below margin" in text
    assert "No pair was selected" in text
    assert "The adapter comes without a training log" in text


def test_evaluations_that_do_not_compare_show_figures_without_a_verdict(shared: FakeRun, tmp_path: Path) -> None:
    changed = tmp_path / "aligned"
    shutil.copytree(shared.paths.aligned_answers, changed)
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["results"]["identity"]["protocol"] = {**PROTOCOL, "decoding": {"caption": "sampled"}}
    (changed / "manifest.json").write_text(json.dumps(manifest))
    run = shared.having(aligned_answers=changed)
    text = Reader(run.page()).text
    assert "The two evaluations cannot be compared" in text
    assert "were not evaluated alike: decoding" in text
    assert "not computed" in text


def test_a_chosen_reward_below_zero_is_explained(tmp_path: Path) -> None:
    sinking = build(tmp_path / "a", prompts=6, questions=4, drift=-1.3)
    text = Reader(sinking.page()).text
    assert "The chosen reward is below zero. That is no bug" in text
    assert "likelihood displacement" in text


def test_a_log_with_holes_still_draws_its_curves(shared: FakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(shared.paths.adapter, folder)
    log = folder / "training_log.jsonl"
    second = '{"step": 2, "loss": NaN, "reward_chosen": 0.1, "reward_rejected": -0.1}'
    log.write_text(second + '\n{"step": 1, "loss": 1.0}\n')
    run = shared.having(adapter=folder)
    text = run.page()
    assert "2 optimizer steps" in Reader(text).text
    assert not re.search(r"[\"ML ]nan\b", text)
    log.write_text('{"step": 1}\nnot json\n')
    with pytest.raises(ArtifactError, match=r"training_log.jsonl:2: not JSON"):
        run.page()


def test_a_lost_or_changed_picture_is_replaced_by_the_reason(tmp_path: Path) -> None:
    run = build(tmp_path / "run", prompts=6, questions=4, steps=2)
    (run.root / "images" / "0001.png").unlink()
    (run.root / "images" / "0002.png").write_bytes((run.root / "images" / "0003.png").read_bytes())
    text = Reader(run.page()).text
    assert "does not exist below the data root" in text
    assert "changed since its row was written" in text


def test_the_default_gallery_stays_under_three_megabytes_with_photographs(tmp_path: Path) -> None:
    from PIL import Image, ImageFilter

    run = build(tmp_path / "run", prompts=40, questions=30, steps=10)
    noise = Image.effect_noise((900, 700), 90).filter(ImageFilter.GaussianBlur(1))
    photograph = Image.merge("RGB", [noise, noise.transpose(Image.Transpose.ROTATE_180), noise])
    for file in (run.root / "images").iterdir():
        photograph.save(file, compress_level=0)
    prompts = read_artifact(run.paths.prompts, "prompts")
    rows = [{**row, "image_sha256": ""} for row in prompts.rows()]
    run = run.having(prompts=rewritten(prompts, tmp_path / "prompts", rows))
    text = run.page()
    assert text.count("data:image/jpeg") >= 24
    assert len(text.encode()) < 3_000_000


def rewritten(source: Artifact, path: Path, rows: list[dict[str, Any]]) -> Path:
    writer = ArtifactWriter(path, source.kind, source.settings, source.manifest["parents"])
    writer.write_part(0, rows)
    return writer.finish(len(rows)).path


def test_every_chart_is_well_formed_and_says_what_it_shows(shared: FakeRun) -> None:
    charts = re.findall(r"<svg.*?</svg>", shared.page(), re.DOTALL)
    assert len(charts) >= 12
    for chart in charts:
        tree = ElementTree.fromstring(chart)
        assert tree.attrib["role"] == "img"
        title = tree.find("title")
        assert title is not None
        assert title.text
        assert all(math.isfinite(float(number)) for number in re.findall(r"[MLhH]?(-?\d+\.?\d*)", chart))
        assert "nan" not in chart


def test_the_printed_configuration_holds_the_settings_of_the_run(shared: FakeRun) -> None:
    run = opened(shared)
    sections = yaml.safe_load(configuration_of(run, "A: title"))
    assert sections.pop("title") == "A: title"
    assert sections.pop("num_shards") == 2
    for name in ("prompts", "model", "benchmarks_root", "scorers"):
        assert sections.pop(name)
    settings = check_settings(sections)
    assert settings["selection"].to_mapping() == run.pairs.settings
    assert settings["training"].to_mapping() == run.adapter.settings
    assert settings["evaluation"].to_mapping() == run.aligned.settings
    assert digest_of("file") in configuration_of(run, "")


def test_the_stage_writes_page_and_summary_and_returns_flat_figures(shared: FakeRun, tmp_path: Path) -> None:
    from groundtune.report import stage

    out, summary = tmp_path / "deep" / "report", tmp_path / "deep" / "summary"
    figures = stage.run(
        **vars(shared.paths), images_root=shared.images_root, benchmarks_root="", report=out, summary=summary, title="T"
    )
    assert figures["chair.chairs.aligned"] < figures["chair.chairs.base"]
    assert all(isinstance(value, float) for value in figures.values())
    assert out.read_text().startswith("<!doctype html>")
    shown = summary.read_text()
    assert shown.startswith("## T\n")
    assert "| chair | CHAIRs |" in shown
    assert "| Pairs | 40 pools |" in shown


def test_the_report_needs_nothing_that_the_light_image_lacks() -> None:
    lacking = {"torch", "transformers", "peft", "networkx", "spacy"}
    code = f"import sys, groundtune.report.stage; print(sorted({lacking} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
