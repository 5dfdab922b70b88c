"""The probe on real (tiny) LLaVA checkpoints: what it must find where the answer is known, and what it must count."""

import json
from pathlib import Path

import pytest
import torch
from transformers import LlavaForConditionalGeneration

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.modality_probe import locating
from groundtune.benchmarks.modality_probe.stage import run
from groundtune.errors import ArtifactError, RecordError, SettingError, TooManyRejected
from tests.tiny_checkpoints import tiny_adapter, tiny_clip, tiny_llava, tiny_llava_next
from tests.unit.benchmarks.probe_world import (
    COLOURS,
    EVALUATION,
    PROBE,
    REGIONS,
    AnywhereFinder,
    ColourFinder,
    write_scenes,
)  # fmt: skip
from tests.unit.small_run import SmallRun, up_to_pairs


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "world")


@pytest.fixture(scope="module")
def adapter(small: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_adapter(tmp_path_factory.mktemp("adapter") / "lora", small.model))


@pytest.fixture(scope="module")
def blind(small: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LLaVA whose projector lets nothing of the image through."""
    path = tiny_llava(tmp_path_factory.mktemp("blind") / "llava")
    model = LlavaForConditionalGeneration.from_pretrained(path)
    with torch.no_grad():
        model.model.multi_modal_projector.linear_2.weight.zero_()
    model.save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locating, "load_finder", lambda checkpoints, settings: ColourFinder())


def probe(
    small: SmallRun, scenes: Path, out: Path, *, model: str = "", adapter: str = "", **changes: object
) -> Artifact:
    evaluation = {**EVALUATION, **changes.pop("evaluation", {})}  # type: ignore[dict-item]
    return run(
        small.prompts, small.pairs, str(small.root), str(scenes), model or str(small.model), {}, out,
        {**PROBE, **changes}, evaluation, REGIONS, adapter=adapter,
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(small: SmallRun, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locating, "load_finder", lambda checkpoints, settings: ColourFinder())
        return probe(small, scenes, tmp_path_factory.mktemp("base") / "probe")


@pytest.fixture(scope="module")
def aligned(small: SmallRun, scenes: Path, adapter: str, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locating, "load_finder", lambda checkpoints, settings: ColourFinder())
        return probe(small, scenes, tmp_path_factory.mktemp("aligned") / "probe", adapter=adapter)


def rows_of(artifact: Artifact, kind: str) -> list[dict]:
    return [row for row in artifact.rows() if row["probe"] == kind]


def figures_of(artifact: Artifact) -> dict[str, dict]:
    return {
        f"{section}.{name}": figure
        for section, figures in artifact.results.items()
        if isinstance(figures, dict)
        for name, figure in figures.items()
        if isinstance(figure, dict)
    }


def test_a_probe_reports_every_part_with_intervals_and_counts(base: Artifact) -> None:
    assert read_artifact(base.path, "probe").digest == base.digest
    assert (len(base), base.manifest["rows_in"], base.manifest["rejected"]) == (13, 13, 0)
    assert {kind: len(rows_of(base, kind)) for kind in ("question", "caption", "pair")} == {
        "question": 6, "caption": 3, "pair": 4,
    }  # fmt: skip
    question = base.results["question"]
    assert (question["asked"], question["region_found"], question["region_not_found"]) == (6, 6, 0)
    assert {row["phrase"] for row in rows_of(base, "question")} <= set(COLOURS)
    figures = figures_of(base)
    assert {"question.changed_region", "question.p_yes_drop_destroyed", "caption.kept_removed"} <= set(figures)
    for figure in figures.values():
        assert figure["low"] <= figure["value"] <= figure["high"] and figure["unit"]
    assert base.scalars["question.changed_destroyed"] == figures["question.changed_destroyed"]["value"]
    changed = [row["answer"] != row["answer_destroyed"] for row in rows_of(base, "caption")]
    assert figures["caption.changed_destroyed"]["value"] == pytest.approx(sum(changed) / 3) and any(changed)


def test_a_model_that_cannot_see_changes_nothing(small: SmallRun, scenes: Path, blind: str, tmp_path: Path) -> None:
    """The projector gives the same for every image, so every answer is said whatever the image is."""
    made = probe(small, scenes, tmp_path / "out", model=blind)
    figures = figures_of(made)
    for view in ("region", "destroyed", "removed"):
        assert figures[f"question.changed_{view}"]["value"] == 0.0
        assert figures[f"question.p_yes_drop_{view}"]["value"] == pytest.approx(0.0, abs=1e-6)
    for view in ("destroyed", "removed"):
        assert figures[f"caption.changed_{view}"]["value"] == 0.0
        assert figures[f"caption.kept_{view}"]["value"] == 1.0
    assert figures["reward.image_dependence"]["value"] == pytest.approx(0.0, abs=1e-5)


def test_a_blind_model_with_an_adapter_has_a_text_reward_and_no_image_reward(
    small: SmallRun, scenes: Path, blind: str, tmp_path: Path
) -> None:
    lora = tiny_adapter(tmp_path / "lora", blind)
    made = probe(small, scenes, tmp_path / "out", model=blind, adapter=str(lora), questions=0, captions=0)
    for row in rows_of(made, "pair"):
        assert abs(row["text_reward"]) > 1e-3
        assert row["image_reward"] == pytest.approx(0.0, abs=1e-3)


def test_the_image_reward_is_what_the_adapter_adds_to_image_dependence(
    small: SmallRun, base: Artifact, aligned: Artifact
) -> None:
    """The reference is the base model: both probes, run apart, must agree on it."""
    tokens = {row["pair_id"]: len(row["chosen_tokens"]) for row in read_artifact(small.pairs, "pairs").rows()}
    before = {row["question_id"]: row for row in rows_of(base, "pair")}
    for row in rows_of(aligned, "pair"):
        gained = row["image_dependence"] - before[row["question_id"]]["image_dependence"]
        assert row["image_reward"] == pytest.approx(gained * tokens[row["question_id"]], abs=1e-3)
        assert before[row["question_id"]]["image_reward"] is None
    assert {name: base.results["reward"][name] for name in ("text", "image")} == {"text": None, "image": None}
    assert any("0 by definition" in note for note in base.results["notes"])


def test_the_rewards_are_those_of_plain_passes(small: SmallRun, aligned: Artifact, adapter: str) -> None:
    from groundtune.benchmarks.modality_probe.views import destroyed
    from groundtune.images import ImageStore
    from groundtune.settings import ProbeSettings
    from groundtune.vlm.loader import load_vlm
    from groundtune.vlm.plain import plain_logprobs
    from groundtune.vlm.prompt import encode_prefix

    (row, *_) = rows_of(aligned, "pair")
    pair = next(p for p in read_artifact(small.pairs, "pairs").rows() if p["pair_id"] == row["question_id"])
    prompt = next(p for p in read_artifact(small.prompts, "prompts").rows() if p["id"] == pair["prompt_id"])
    image = ImageStore(str(small.root)).open(prompt["id"], prompt["image"])
    settings = ProbeSettings.from_mapping(PROBE)
    sums = {}
    for name, lora in (("policy", adapter), ("reference", None)):
        vlm = load_vlm(small.model, adapter=lora)
        for view, seen in (("m", image), ("m'", destroyed(image, settings))):
            prefix = encode_prefix(vlm, "p", prompt["instruction"], seen)
            for side in ("chosen", "rejected"):
                with torch.no_grad():
                    (values,) = plain_logprobs(vlm, [prefix], [[pair[f"{side}_tokens"]]])[0]
                sums[name, view, side] = float(values.sum())

    def ratio(view: str, side: str) -> float:
        return sums["policy", view, side] - sums["reference", view, side]

    assert row["text_reward"] == pytest.approx(ratio("m", "chosen") - ratio("m", "rejected"), abs=1e-3)
    assert row["image_reward"] == pytest.approx(ratio("m", "chosen") - ratio("m'", "chosen"), abs=1e-3)


@pytest.mark.parametrize("family", ["llava", "llava_next"])
def test_a_question_row_is_what_one_prompt_at_a_time_gives(
    small: SmallRun, scenes: Path, tmp_path: Path, family: str
) -> None:
    """Every column against its own view, asked alone and in plain passes; with the suffix."""
    from groundtune.benchmarks.modality_probe.views import destroyed, removed
    from groundtune.images import ImageStore
    from groundtune.settings import ProbeSettings
    from groundtune.vlm.generate import generate
    from groundtune.vlm.last_attention import last_position_attention
    from groundtune.vlm.loader import load_vlm
    from groundtune.vlm.plain import plain_next_logprobs
    from groundtune.vlm.prompt import encode_prefix, render
    from groundtune.vlm.sampling import Decoding
    from groundtune.vlm.token_coverage import token_coverage
    from groundtune.vlm.yes_no import yes_no_tokens

    model = str(small.model) if family == "llava" else str(tiny_llava_next(tmp_path / "next"))
    suffix = "Answer with a single word."
    made = probe(small, scenes, tmp_path / "out", model=model, captions=0, pairs=0, questions=3,
                 evaluation={"yes_no_suffix": suffix})  # fmt: skip
    vlm, settings = load_vlm(model), ProbeSettings.from_mapping(PROBE)
    for row in made.rows():
        image = ImageStore(str(scenes)).open("q", row["image"])
        mask = ColourFinder().find([image], [[row["phrase"]]])[0][0].mask
        assert 0 < mask.mean() < 0.2 and row["region_area"] == pytest.approx(mask.mean())
        views = {
            "": image,
            "_region": destroyed(image, settings, mask),
            "_destroyed": destroyed(image, settings),
            "_removed": removed(image, vlm.processor.image_processor),
        }
        text = f"{row['question']}\n{suffix}"
        prefixes = {name: encode_prefix(vlm, "q", text, view) for name, view in views.items()}
        yes_no = yes_no_tokens(vlm, render(vlm, text))
        beliefs = []
        for name, prefix in prefixes.items():
            ((answer,),) = generate(vlm, [prefix], Decoding(4, 0.0, 1.0, 1), [0])
            assert row[f"answer{name}"] == answer.text
            with torch.no_grad():
                logprobs = plain_next_logprobs(vlm, [prefix], [[[]]], yes_no.token_ids)[0][0]
            cut = len(yes_no.yes)
            yes, no = float(logprobs[:cut].exp().sum()), float(logprobs[cut:].exp().sum())
            assert row[f"p_yes{name}"] == pytest.approx(yes / (yes + no), abs=1e-5)
            beliefs.append(row[f"p_yes{name}"])
        assert len({round(belief, 4) for belief in beliefs}) == 4, "the views differ, so a mix-up would show"
        (attention,) = last_position_attention(vlm, [prefixes[""]])
        on_image = attention[prefixes[""].input_ids == vlm.config.image_token_id]
        assert row["attention_image"] == pytest.approx(float(on_image.sum()), abs=1e-5)
        coverage = token_coverage(vlm, mask)
        patches = on_image[: len(coverage)]
        inside = float((patches * coverage).sum() / coverage.sum())
        assert row["attention_region"] == pytest.approx(inside / float(patches.mean()), rel=1e-4)


def test_attention_shares_lie_within_the_whole(base: Artifact) -> None:
    rows = rows_of(base, "question")
    assert all(0 < row["attention_image"] < 1 and row["attention_region"] > 0 for row in rows)
    assert base.results["attention"]["questions"] == len(rows)


def test_the_same_probe_has_the_same_digest_and_batches_change_no_row(
    small: SmallRun, scenes: Path, base: Artifact, tmp_path: Path
) -> None:
    assert probe(small, scenes, tmp_path / "again").digest == base.digest
    other = probe(small, scenes, tmp_path / "other", questions_per_batch=64)
    exact = [
        name for name in base_columns(base) if "p_yes" not in name and "attention" not in name and "image_d" not in name
    ]
    for one, two in zip(base.rows(), other.rows(), strict=True):
        assert [one[name] for name in exact] == [two[name] for name in exact]
        for name in one.keys() - set(exact):
            assert one[name] == (None if two[name] is None else pytest.approx(two[name], abs=1e-5))


def base_columns(artifact: Artifact) -> list[str]:
    return list(next(artifact.rows()))


def test_another_seed_asks_and_destroys_otherwise(
    small: SmallRun, scenes: Path, base: Artifact, tmp_path: Path
) -> None:
    other = probe(small, scenes, tmp_path / "other", seed=1)
    assert [row["question_id"] for row in other.rows()] != [row["question_id"] for row in base.rows()]


def test_an_adapter_is_asked_exactly_the_same(base: Artifact, aligned: Artifact) -> None:
    asked = ("probe", "question_id", "image", "question")
    assert [[row[name] for name in asked] for row in base.rows()] == [
        [row[name] for name in asked] for row in aligned.rows()
    ]
    regions = [[row["region_area"] for row in rows_of(made, "question")] for made in (base, aligned)]
    assert regions[0] == regions[1]
    assert [row["answer"] for row in base.rows()] != [row["answer"] for row in aligned.rows()]
    assert aligned.results["reward"]["text"]["value"] != 0


def test_a_killed_probe_resumes_to_the_same_digest(
    small: SmallRun, scenes: Path, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ArtifactWriter.write_part

    def dies(self, index, *rows):
        if index == 3:
            raise KeyboardInterrupt
        write(self, index, *rows)

    with monkeypatch.context() as patch:
        patch.setattr(ArtifactWriter, "write_part", dies)
        with pytest.raises(KeyboardInterrupt):
            probe(small, scenes, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    written = []
    monkeypatch.setattr(ArtifactWriter, "write_part", lambda self, i, *rows: (written.append(i), write(self, i, *rows)))
    resumed = probe(small, scenes, tmp_path / "out")
    assert written == [3, 4], "two parts of questions and one of captions were done"
    assert resumed.digest == base.digest
    assert figures_of(resumed) == figures_of(base)


def test_a_thing_that_is_not_found_is_counted_and_has_no_region_answer(
    small: SmallRun, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locating, "load_finder", lambda *given: ColourFinder(blind=["dog", "cat"]))
    made = probe(small, scenes, tmp_path / "out", questions=12, captions=0, pairs=0)
    question = made.results["question"]
    assert (question["asked"], question["region_found"], question["region_not_found"]) == (12, 4, 8)
    for row in made.rows():
        missing = row["phrase"] in ("dog", "cat")
        assert row["region_missing"] == ("not_found" if missing else "")
        assert (row["region_area"] is None) == missing and (row["p_yes_region"] is None) == missing
        assert (row["attention_image"] is None) == missing
        assert row["p_yes_destroyed"] is not None

    monkeypatch.setattr(locating, "load_finder", lambda *given: ColourFinder(blind=list(COLOURS)))
    none = probe(small, scenes, tmp_path / "none", captions=0, pairs=0)
    assert "changed_region" not in none.results["question"] and "changed_destroyed" in none.results["question"]
    notes = none.results["notes"]
    assert any(note.startswith("question.changed_region: nothing that was spoken of was found") for note in notes)
    assert any(note.startswith("attention.region_lift:") for note in notes)


def test_a_caption_is_asked_again_without_what_it_speaks_of(
    small: SmallRun, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locating, "load_finder", lambda *given: AnywhereFinder())
    made = probe(small, scenes, tmp_path / "out", captions=6, questions=0, pairs=0, max_new_tokens=30)
    rows = list(made.rows())
    located = [row for row in rows if row["region_area"] is not None]
    assert located and made.results["caption"]["region_found"] == len(located)
    assert made.results["caption"]["changed_region"]["value"] == pytest.approx(
        sum(row["answer"] != row["answer_region"] for row in located) / len(located)
    )
    assert all(row["phrase"] and not row["region_missing"] for row in located)


def test_an_unreadable_image_is_rejected_and_the_rest_goes_on(small: SmallRun, tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "world")
    (root / "images" / "1.png").write_bytes(b"not an image")
    made = probe(
        small,
        root,
        tmp_path / "out",
        questions=99,
        captions=99,
        evaluation={"max_rejected_share": 0.3, "allow_missing": True},
    )
    assert made.manifest["rows_in"] == 12 + 6 + 4 == len(made) + 3
    assert sorted(row["id"] for row in made.rejected()) == ["chair/c1", "pope_popular/104", "pope_popular/105"]
    assert {row["reason"] for row in made.rejected()} == {"image"}
    with pytest.raises(TooManyRejected, match="pope_popular: 2 of 12 questions have no usable image"):
        run(small.prompts, small.pairs, str(small.root), str(root), "/no/such/model", {}, tmp_path / "x",
            {**PROBE, "questions": 99}, EVALUATION, REGIONS)  # fmt: skip


def test_with_nothing_to_ask_no_model_is_loaded(small: SmallRun, scenes: Path, tmp_path: Path) -> None:
    made = probe(small, scenes, tmp_path / "out", model="/no/such/model", questions=0, captions=0, pairs=0)
    assert (len(made), made.manifest["rows_in"]) == (0, 0)
    assert list(read_artifact(made.path, "probe").rows()) == []
    assert made.results["notes"] == [
        "question: left out, probe.questions is 0",
        "caption: left out, probe.captions is 0",
        "pair: left out, probe.pairs is 0",
    ]


def test_without_yes_no_questions_or_captions_the_pairs_are_still_weighed(
    small: SmallRun, scenes: Path, tmp_path: Path
) -> None:
    made = probe(small, scenes, tmp_path / "out", evaluation={"benchmarks": {}})
    assert len(made) == 4 and set(made.results) == {"reward", "notes", "rows_per_second"}
    assert made.results["notes"][0] == "question: no POPE question with label yes in the files of evaluation.benchmarks"
    assert made.results["notes"][1] == "caption: no chair benchmark in evaluation.benchmarks"


def test_a_family_of_tiles_is_probed_as_well(small: SmallRun, scenes: Path, tmp_path: Path) -> None:
    made = probe(small, scenes, tmp_path / "out", model=str(tiny_llava_next(tmp_path / "next")))
    assert len(made) == 13
    assert all(0 < row["attention_image"] < 1 and row["attention_region"] > 0 for row in rows_of(made, "question"))


def test_a_wrong_file_or_setting_fails_before_the_model_is_loaded(
    small: SmallRun, scenes: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="'questons'.*probe_modality"):
        probe(small, scenes, tmp_path / "x", model="/no/such", questons=1)
    with pytest.raises(RecordError, match="chair.jsonl:1 .*question_id"):
        probe(small, scenes, tmp_path / "x", model="/no/such", evaluation={"benchmarks": {"pope": "chair.jsonl"}})
    with pytest.raises(ArtifactError, match="expected 'pairs'"):
        run(small.prompts, small.prompts, str(small.root), str(scenes), "/no/such", {}, tmp_path / "x", PROBE,
            EVALUATION, REGIONS)  # fmt: skip


def test_the_real_finder_and_tagger_are_the_ones_of_image_preferences(
    small: SmallRun, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the finder that the settings name, on the run's own CLIP
    regions = {**REGIONS, "least_score": 0.0, "mask_threshold": 0.3}
    made = run(
        small.prompts, small.pairs, str(small.root), str(scenes), str(small.model),
        {"patch_similarity": str(small.clip)}, tmp_path / "out", PROBE, EVALUATION, regions,
    )  # fmt: skip
    assert (len(made), made.manifest["extra"]["finder"]) == (13, "patch_similarity")
    assert made.manifest["extra"]["tagger"].startswith("plain")
    assert {row["phrase"] for row in rows_of(made, "question")} <= set(COLOURS)
    with pytest.raises(SettingError, match="region_models.patch_similarity"):
        run(small.prompts, small.pairs, str(small.root), str(scenes), "/no/such/model", {}, tmp_path / "x", PROBE,
            EVALUATION, regions)  # fmt: skip


def test_the_manifest_names_every_input(base: Artifact, aligned: Artifact) -> None:
    parents = {"model", "adapter", "prompts", "pairs", "benchmark images", "benchmark pope_random",
               "benchmark pope_popular", "benchmark chair", "vocabulary", "finder.colour"}  # fmt: skip
    assert set(base.manifest["parents"]) == parents
    assert base.manifest["parents"]["adapter"] == "" != aligned.manifest["parents"]["adapter"]
    assert base.settings["probe"]["noise_step"] == 900
    assert json.dumps(base.card), "what a UI shows is plain JSON"
