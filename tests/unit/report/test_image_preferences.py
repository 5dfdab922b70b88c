"""The section of image preferences: counts that add up, boxes where things are, answers escaped, no crash on a loss."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import read_artifact
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.preferences.image_preference.pair_images import FALLBACKS
from groundtune.report import wording
from groundtune.report.corrupted_pairs import CorruptedPair, corrupted_pairs
from groundtune.report.flow import flow_of
from groundtune.report.image_gallery import boxes_of, sample
from groundtune.report.image_preferences import image_preferences_of
from groundtune.report.marked_text import mark_keywords
from groundtune.report.outcome import outcome_of
from groundtune.report.pictures import Picture
from groundtune.report.provenance import configuration_of
from groundtune.report.run_artifacts import open_run
from groundtune.report.summary import markdown
from groundtune.report.training_curves import stages_of
from groundtune.settings import ImagePreferenceSettings
from groundtune.settings.sections import check_settings
from tests.unit.report.image_runs import SETTINGS, build_with_images, image_rows
from tests.unit.report.runs import FakeRun, build
from tests.unit.report.test_page import SECTIONS, Reader

PICTURE = Picture("data:image/png;base64,", 288, 288)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return build_with_images(tmp_path_factory.mktemp("images") / "run", questions=6)


def flow(run: FakeRun) -> Any:
    opened = open_run(run.paths)
    return flow_of(opened, list(opened.scores.rows()), list(opened.pairs.rows()))


def section(run: FakeRun) -> Any:
    opened = open_run(run.paths)
    prompts = {row["id"]: row for row in opened.prompts.rows()}
    return image_preferences_of(opened, list(opened.pairs.rows()), prompts, ImageStore(run.images_root))


def keyword(phrase: str, *box: int, score: float = 0.9) -> dict[str, Any]:
    return {"phrase": phrase, "weight": 0.5, "score": score, "found": bool(box), "box": list(box)}


def corrupted(number: int, fallback: str = "") -> CorruptedPair:
    row = {"pair_id": f"p{number}", "fallback": fallback}
    return CorruptedPair(row, {"pair_id": f"p{number}"}, ImageStore(""), -3.0, -9.0)


def test_a_run_without_image_preferences_says_nothing_of_them(tmp_path: Path) -> None:
    run = build(tmp_path / "run", prompts=12, questions=4, steps=8)
    read = Reader(run.page())
    assert [a["id"] for tag, a in read.tags if tag == "section"] == list(SECTIONS)
    words = r"corrupted|keyword|curriculum of|of the curriculum|image preference|image reference|probe"
    assert not re.search(words, read.text.partition("run.yaml")[0], re.IGNORECASE)
    opened = open_run(run.paths)
    assert "Image" not in markdown(opened, outcome_of(opened), "T")
    assert "image_preference" not in configuration_of(opened, "")


def test_the_new_sections_stand_beside_the_old_ones(shared: FakeRun) -> None:
    read = Reader(shared.page())
    sections = [str(a["id"]) for tag, a in read.tags if tag == "section"]
    assert [name for name in sections if name in SECTIONS] == list(SECTIONS)
    assert set(sections) - set(SECTIONS) == {"images", "probe"}
    assert {a["href"] for tag, a in read.tags if tag == "a"} == {f"#{name}" for name in sections}
    assert 'role="alert"' not in shared.page()


def test_counts_of_image_preferences_add_up(shared: FakeRun) -> None:
    found = flow(shared)
    assert found.problems == []
    stages = {stage.title: stage for stage in found.stages}
    images, reference = stages["Image preferences"], stages["Image reference"]
    rows = image_rows(shared.paths.image_pairs)
    assert images.given == stages["Training"].given == len(read_artifact(shared.paths.pairs, "pairs"))
    assert images.dropped == [("image", 2)]
    assert images.kept == images.given - 2 == len(rows) == reference.given == reference.kept
    facts = " ".join(images.facts)
    told = {
        reason: int(number)
        for number, reason in re.findall(r"(\d+) whole images?: ([a-z ]+?)(?= \d| keywords by)", facts)
    }
    assert told == {wording.FALLBACKS["no_keyword"]: 2, wording.FALLBACKS["not_found"]: 2}
    words = [word for row in rows for word in row["keywords"]]
    assert f"{sum(word['found'] for word in words)} of {len(words)} keywords found" in facts
    assert "keywords by plain-1" in facts
    assert "regions by patch_similarity" in facts
    assert section(shared).findings[0].startswith(f"Of {len(rows)} pairs, {len(rows) - 4} lose what their keywords")


def test_every_reason_for_a_whole_image_has_words() -> None:
    assert set(wording.FALLBACKS) == set(FALLBACKS)


def test_images_of_other_pairs_are_called_out(shared: FakeRun, tmp_path: Path) -> None:
    other = build_with_images(tmp_path / "other", prompts=20, questions=4, steps=5, probes=False)
    problems = flow(shared.having(image_pairs=other.paths.image_pairs)).problems
    assert any(problem.startswith("Image pairs: made from other pairs") for problem in problems)
    assert any(problem.startswith("Adapter: made from other image pairs") for problem in problems)
    assert any("pairs gave" in problem and "image preferences took" in problem for problem in problems)
    assert "Image preferences" in Reader(shared.having(image_pairs=other.paths.image_pairs).page()).text


def test_a_missing_shard_of_image_pairs_is_an_error(shared: FakeRun) -> None:
    with pytest.raises(ArtifactError, match="image_pairs: shards"):
        open_run(shared.having(image_pairs=shared.paths.image_pairs[:1]).paths)


def test_the_drop_is_what_the_chosen_answer_loses_under_the_corrupted_image(shared: FakeRun) -> None:
    opened = open_run(shared.paths)
    found = corrupted_pairs(opened, list(opened.pairs.rows()))
    assert len(found) == len(image_rows(shared.paths.image_pairs))
    for one in found:
        assert one.clean == pytest.approx(one.pair["chosen_confidence"] * len(one.pair["chosen_tokens"]))
        assert one.drop == pytest.approx(2 * len(one.image["keywords"]), abs=1e-4)
        assert "mask" not in one.image
    bare = open_run(shared.having(image_reference=()).paths)
    assert {one.drop for one in corrupted_pairs(bare, list(bare.pairs.rows()))} == {None}


def test_without_the_image_reference_there_is_no_histogram_of_drops(shared: FakeRun) -> None:
    assert "nats</b>" in shared.page()
    assert "What the corruption costs" in shared.page()
    text = shared.having(image_reference=()).page()
    assert "nats</b>" not in text
    assert "What the corruption costs" not in text
    assert "How much of the picture was destroyed" in text


def test_hostile_keywords_and_answers_stay_text(tmp_path: Path) -> None:
    attack = "<img src=x onerror=alert(1)>"
    run = build_with_images(tmp_path / "run", prompts=12, questions=4, steps=4, alter=lambda text: f"{attack} {text}")
    folder = Path(run.paths.image_pairs[0])
    hostile = [
        {**row, "keywords": [{**word, "phrase": f'"><script>{word["phrase"]}'} for word in row["keywords"]]}
        for row in image_rows([folder])
    ]
    run = run.having(image_pairs=[_rewritten(folder, tmp_path / "hostile", hostile), run.paths.image_pairs[1]])
    read = Reader(run.page())
    assert "script" not in {tag for tag, _ in read.tags}
    assert not [a for _, a in read.tags if "onerror" in a]
    assert '"><script>' in read.text
    opened = open_run(run.paths)
    assert "<script" not in markdown(opened, outcome_of(opened), attack)


def _rewritten(source: Path, path: Path, rows: list[dict[str, Any]]) -> Path:
    made = read_artifact(source, "image_pairs")
    writer = ArtifactWriter(
        path, "image_pairs", made.settings, made.manifest["parents"], shard=tuple(made.manifest["shard"])
    )
    writer.write_part(0, rows, made.rejected(), {file.name: file.read_bytes() for file in made.files.iterdir()})
    return writer.finish(made.manifest["rows_in"]).path


def test_a_lost_or_changed_corrupted_image_is_a_sentence(shared: FakeRun, tmp_path: Path) -> None:
    shards = []
    for number, path in enumerate(shared.paths.image_pairs):
        shards.append(Path(shutil.copytree(path, tmp_path / str(number))))
    shown = [card.one.image["corrupted"].removeprefix("attached:") for card in section(shared).cards]
    gone, changed = (
        next(shard / "files" / name for shard in shards if (shard / "files" / name).exists()) for name in shown[:2]
    )
    gone.unlink()
    changed.write_bytes(b"no picture")
    text = Reader(shared.having(image_pairs=shards).page()).text
    assert f'"{gone.name}" does not exist' in text
    assert f'{changed.name}" changed' in text


def test_the_shown_pairs_do_not_depend_on_their_order_and_hold_every_fallback() -> None:
    found = [
        corrupted(number, {0: "no_keyword", 1: "not_found", 2: "not_found"}.get(number % 50, ""))
        for number in range(200)
    ]
    shown = sample(found)
    assert sample(found[::-1]) == shown
    assert len({one.pair["pair_id"] for one in shown}) == 8
    assert [one.image["fallback"] for one in shown] == [""] * 6 + ["no_keyword", "not_found"]
    few = [corrupted(number, "not_found" if number else "") for number in range(5)]
    assert {one.pair["pair_id"] for one in sample(few)} == {one.pair["pair_id"] for one in few}
    assert sample([]) == []


def test_a_box_is_where_the_keyword_was_found_and_labels_do_not_hide_each_other() -> None:
    words = [keyword("red cup", 0, 36, 72, 144), keyword("blue cat", 0, 36, 144, 144), keyword("dog", score=0.1)]
    first, second, lost = boxes_of(words, (144, 144), PICTURE)
    assert first is not None
    assert second is not None
    assert (first.left, first.top, first.width, first.height) == (0, 25, 50, 75)
    assert first.label == {"left": 0, "top": 25}
    assert second.label != first.label
    assert lost is None
    assert boxes_of(words, (0, 0), PICTURE) == [None] * 3
    assert boxes_of(words, (144, 144), Picture("", 320, 240, problem="gone")) == [None] * 3


def test_keywords_are_marked_with_their_number_by_stem_and_longest_first() -> None:
    text = "Two blue cups, a cup. A red bus; Blue cup's plate."
    pieces = mark_keywords(text, ["cup", "blue cups", "red plate"])
    assert [(piece.text, piece.number) for piece in pieces if piece.marked] == [
        ("blue cups", 2),
        ("cup", 1),
        ("Blue cup", 2),
    ]
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.text for piece in mark_keywords("a cup holder", ["cup", "cup holder"])] == ["a ", "cup holder"]
    assert [piece.marked for piece in mark_keywords("A red. Plate", ["red plate"])] == [False]
    assert mark_keywords("", ["cup"]) == []


def test_a_keyword_that_was_not_found_is_listed_with_its_score(shared: FakeRun) -> None:
    card = next(card for card in section(shared).cards if card.one.image["fallback"] == "not_found")
    assert all(word.box is None and not word.found for word in card.words)
    assert card.why == "none of the keywords was found (a score of 0.50 was needed)"
    assert "0.20 not found" in " ".join(Reader(shared.page()).text.split())


@pytest.mark.parametrize(("region", "words"), [("whole", "lose the whole picture"), ("random", "random regions")])
def test_an_ablation_of_the_region_is_named(region: str, words: str, tmp_path: Path) -> None:
    settings = ImagePreferenceSettings(tagger="plain", region=region)
    run = build_with_images(tmp_path / "run", settings=settings, prompts=20, questions=4, steps=4, probes=False)
    assert words in section(run).findings[0]
    assert "ablation" in section(run).how


def test_the_stages_of_the_curriculum_hold_all_pairs_and_show_their_entropies(shared: FakeRun) -> None:
    pairs = list(read_artifact(shared.paths.pairs, "pairs").rows())
    facts = next(stage for stage in flow(shared).stages if stage.title == "Pairs").facts
    told = [re.fullmatch(r"(easy|medium|hard): (\d+) pairs, (.*)", fact) for fact in facts]
    sizes = {match[1]: int(match[2]) for match in told if match}
    assert list(sizes) == ["easy", "medium", "hard"]
    assert sum(sizes.values()) == len(pairs)
    hard = [pair["pool_entropy"] for pair in pairs if pair["curriculum_stage"] == 3]
    ends = next(match[3] for match in told if match and match[1] == "hard")
    assert ends == f"{min(hard):.2f} to {max(hard):.2f}"


def test_training_curves_show_the_image_terms_and_the_stages(shared: FakeRun) -> None:
    text = shared.page()
    for title in ("Rewards under both pictures", "Loss of the image term"):
        assert f"<h3>{title}</h3>" in text
    assert text.count('class="span"') == 2 * 8, "bands one and three of three, in every chart"
    assert "3 stages of the curriculum" in text
    assert "depend more on what was destroyed" in text


def test_stages_are_named_by_difficulty_in_the_order_of_training() -> None:
    log = [{"step": float(step), "curriculum_stage": float(1 + step // 4)} for step in range(12)]
    spans = stages_of(log, "easy_to_hard")
    assert [(span.name, span.first, span.last) for span in spans] == [("easy", 0, 3), ("medium", 4, 7), ("hard", 8, 11)]
    assert [span.name for span in stages_of(log, "hard_to_easy")] == ["hard", "medium", "easy"]
    assert stages_of([{"step": 1.0}, {"step": 2.0}], "easy_to_hard") == []


def test_the_printed_configuration_holds_the_settings_of_image_preferences(shared: FakeRun) -> None:
    sections = yaml.safe_load(configuration_of(open_run(shared.paths), ""))
    assert sections.pop("image_preferences") is True
    for name in ("num_shards", "prompts", "model", "benchmarks_root", "scorers"):
        sections.pop(name)
    settings = check_settings(sections)
    assert settings["image_preference"].to_mapping() == SETTINGS.to_mapping()
    assert settings["probe"].to_mapping()["bootstrap_resamples"] == 100


def test_a_page_with_image_preferences_of_photographs_stays_under_four_megabytes(tmp_path: Path) -> None:
    run = build_with_images(tmp_path / "run", prompts=20, questions=6, steps=6)
    photograph = Image.effect_noise((640, 480), 90).convert("RGB")
    shards = [Path(path) for path in run.paths.image_pairs]
    for shard in shards:
        for file in (shard / "files").iterdir():
            photograph.save(file)
    forgiving = [
        _rewritten(shard, tmp_path / shard.name, [{**row, "corrupted_sha256": ""} for row in image_rows([shard])])
        for shard in shards
    ]
    text = run.having(image_pairs=forgiving).page()
    assert text.count("data:image/jpeg") >= 8
    assert len(text.encode()) < 4_000_000


def test_the_same_image_preferences_give_the_same_bytes(shared: FakeRun) -> None:
    turned = shared.having(
        image_pairs=shared.paths.image_pairs[::-1], image_reference=shared.paths.image_reference[::-1]
    )
    assert turned.page() == shared.page()


def test_the_summary_has_one_line_of_image_preferences(shared: FakeRun) -> None:
    opened = open_run(shared.paths)
    lines = [line for line in markdown(opened, outcome_of(opened), "T").splitlines() if "Image preferences:" in line]
    assert len(lines) == 1
    assert "none of the keywords was found (2)" in lines[0]
