"""Every suite of the engine's bench, for real: all sides in processes of their own, on a tiny model."""

import json
from dataclasses import replace

import pytest

from bench import gpu
from bench.engine import __main__ as engine
from bench.engine import growth, models, page, plots, results, trl_peer
from bench.engine.case_files import case_of
from bench.engine.clock import StepClock
from bench.engine.ours import training_settings
from bench.engine.profile import PARTS
from bench.engine.sides import SUITES
from bench.engine.sizes import SIZES
from bench.engine.turns import SideFailed, running
from bench.engine.workload import made_up_pairs

pytestmark = pytest.mark.timeout(1800)
TINY = SIZES["tiny"]
CURVE = growth.Curve("answer_tokens", "step", "tokens an answer", (4, 8))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The folder that a run of everything wrote to."""
    folder = tmp_path_factory.mktemp("results")
    words = ["--sizes", "tiny", "--rounds", "2", "--threads", "1", "--out", str(folder)]
    engine.main([*SUITES, "selection", "--candidates", "80", "800", *words])
    results.store("growth", "tiny", growth.measure(TINY, 1, turns=1, curves=(CURVE,)), 1, folder)
    few = ["--least-pairs", "1", "--most-pairs", "1", "--samples", "2", "--rounds", "1", "--threads", "1"]
    gpu.main(["--size", "tiny", "--device", "cpu", "--dtype", "float32", *few, "--out", str(folder)])
    return folder


def of(folder, suite):
    return json.loads((folder / f"engine_{suite}.json").read_text())["cases"]


@pytest.mark.parametrize("suite", SUITES)
def test_every_side_has_its_rate_memory_and_profile(measured, suite):
    case = of(measured, suite)["tiny"]
    for one in case.get("kinds", {"": case}).values():
        assert list(one["sides"]) == list(SUITES[suite]) and set(one["ratios"]) == set(list(SUITES[suite])[1:])
        for side in one["sides"].values():
            assert len(side["turns"]) == 2 and side["seconds"]["median"] > 0
            assert 0 < side["memory"]["resident"]["loaded"] < side["memory"]["resident"]["peak"]
            assert set(side["profile"]) == set(PARTS) and sum(side["profile"].values()) == pytest.approx(1)
            assert side["profile"]["linear"] > 0.01 and side["profile"]["attention"] > 0.01
        first, second = list(one["sides"].values())[:2]
        assert [t.get("pairs") for t in first["turns"]] == [t.get("pairs") for t in second["turns"]]
    assert case["machine"]["commit"] and case["machine"]["threads"] == 1 and case["machine"]["trl"]


def test_the_sides_of_the_step_train_the_same(measured):
    """The losses of two steps, the second after an update, with LoRA that is not zero."""
    assert max(of(measured, "step")["tiny"]["loss_difference"].values()) < 1e-5


def test_kept_features_leave_the_tower_out(measured):
    sides = of(measured, "step")["tiny"]["sides"]
    assert sides["ours"]["profile"]["tower"] == 0 < sides["trl"]["profile"]["tower"]


def test_answers_of_equal_length_are_of_equal_length(measured):
    kinds = of(measured, "sampling")["tiny"]["kinds"]
    whole = TINY.prompts * TINY.samples * TINY.new_tokens
    for side in kinds["equal_lengths"]["sides"].values():
        assert {turn["tokens"] for turn in side["turns"]} == {whole}
    assert min(turn["tokens"] for side in kinds["ends_by_chance"]["sides"].values() for turn in side["turns"]) < whole


def test_growth_selection_and_the_card_have_their_figures(measured):
    curve = of(measured, "growth")["tiny"]["curves"]["answer_tokens"]
    assert [point["value"] for point in curve["sides"]["trl"]] == [4, 8]
    points = of(measured, "selection")["all"]["points"]
    assert [point["pairs"] for point in points] == [10, 100] and points[0]["peak"] > points[0]["loaded"]
    card = of(measured, "gpu")["tiny"]
    assert [row["gradient_checkpointing"] for row in card["training"]] == [False, True]
    assert all(0 < row["of_measured_peak"] < 1 for row in card["training"]) and 0 < card["sampling"][0]["of_limit"] < 1


def test_the_page_can_be_made_of_all_of_it(measured, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "stored", lambda suite: results.stored(suite, measured))
    monkeypatch.setattr(plots, "FOLDER", tmp_path)
    for block in page.BLOCKS:
        text = page.block_text(block)
        assert "Not measured" not in text and "nan" not in text and text.strip()
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{name}-{theme}.svg" for name in ("growth-tiny-answer-tokens", "selection") for theme in ("light", "dark")
    }


def test_a_side_that_fails_is_named_with_its_error(tmp_path):
    case = replace(case_of(TINY, tmp_path), pictures=str(tmp_path / "nowhere"))
    expected = r"(?s)reference/ours ended with 1.*holds 0 pictures, expected 4"
    with pytest.raises(SideFailed, match=expected), running("reference", ["ours"], case):
        pass


def test_trl_refuses_references_computed_before_for_images(tmp_path):
    """Hence its reference on the fly is the yardstick. When this fails, TRL can: measure that as well."""
    case = case_of(TINY, tmp_path)
    vlm = models.neighbour(case)
    dataset = trl_peer.dataset_of(vlm, made_up_pairs(vlm.tokenizer, case.images(2), TINY.answer))
    with pytest.raises(ValueError, match="not supported for vision datasets"):
        trl_peer.trainer_of(
            vlm, dataset, training_settings(2, 4), tmp_path, StepClock(), precompute_ref_log_probs=True
        )
