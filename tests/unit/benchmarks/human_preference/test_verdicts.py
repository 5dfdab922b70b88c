"""Reading back: what raters said, counted by hand, and files that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.human_preference.__main__ import main
from groundtune.benchmarks.human_preference.key import Key
from groundtune.benchmarks.human_preference.result import read_verdicts, to_markdown
from groundtune.benchmarks.human_preference.sheet import write_sheet
from groundtune.errors import ArtifactError, RecordError
from tests.unit.benchmarks.human_preference.sheets import two_models

FEW = Resampling(200)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Ten questions, two of them answered alike."""
    return write_sheet(
        *two_models(tmp_path, 10, same=[3, 6]), str(tmp_path / "images"), tmp_path / "out" / "sheet.html"
    )


def saved(folder: Path, key: Key, name: str, winners: dict[int, str], **changed: Any) -> Path:
    """A file as the page saves it. winners: place on the sheet -> "aligned", "base" or "tie"."""
    verdicts = []
    for place, winner in winners.items():
        pair = key.pairs[place]
        choice = "tie" if winner == "tie" else "first" if (winner == "aligned") == pair.aligned_first else "second"
        verdicts.append({"pair": pair.pair_id, "choice": choice, "at": "2026-11-21T10:00:00.000Z", "seconds": 3.5})
    content = {"format": "groundtune verdicts 1", "sheet": key.sheet, "rater": name, "verdicts": verdicts}
    file = folder / f"verdicts-{name}.json"
    file.write_text(json.dumps(content | changed))
    return file


def test_ties_count_half_and_so_do_answers_that_were_equal(tmp_path: Path, key: Key) -> None:
    winners = {0: "aligned", 1: "aligned", 2: "aligned", 3: "aligned", 4: "base", 5: "tie", 6: "tie", 7: "base"}
    result = read_verdicts(key, [saved(tmp_path, key, "Ada", winners)], FEW)
    assert (result.pairs, result.identical) == (8, 2)
    assert (result.all.aligned, result.all.base, result.all.tie) == (4, 2, 2)
    assert result.all.win_rate.value == pytest.approx((4 + 0.5 * 2 + 0.5 * 2) / 10)
    assert result.all.win_rate.low < 0.6 < result.all.win_rate.high
    assert result.all == result.raters["Ada"]


def test_a_part_of_the_sheet_takes_a_part_of_the_equal_answers(tmp_path: Path, key: Key) -> None:
    result = read_verdicts(key, [saved(tmp_path, key, "Ada", {0: "aligned", 1: "aligned"})], FEW)
    assert result.all.win_rate.value == pytest.approx((2 + 0.5 * 2 * (2 / 8)) / (2 + 2 * (2 / 8)))


def test_always_the_aligned_model_is_no_accident_and_always_a_tie_is(tmp_path: Path, key: Key) -> None:
    won = read_verdicts(key, [saved(tmp_path, key, "Ada", dict.fromkeys(range(8), "aligned"))], FEW)
    assert won.all.p < 0.05 and won.all.win_rate.low > 0.5
    tied = read_verdicts(key, [saved(tmp_path, key, "Bo", dict.fromkeys(range(8), "tie"))], FEW)
    assert (tied.all.win_rate.value, tied.all.win_rate.low, tied.all.p) == (0.5, 0.5, 1.0)
    assert tied.all.first is None


def test_a_pair_weighs_the_same_however_many_judged_it(tmp_path: Path, key: Key) -> None:
    files = [
        saved(tmp_path, key, "Ada", {0: "aligned", 1: "base"}),
        saved(tmp_path, key, "Bo", {0: "aligned"}),
        saved(tmp_path, key, "Cy", {0: "aligned"}),
    ]
    result = read_verdicts(key, files, FEW)
    assert result.all.win_rate.value == pytest.approx(0.5)
    assert (result.overlap, result.all.judged) == (1, 2)


def test_agreement_of_two_raters_by_hand(tmp_path: Path, key: Key) -> None:
    one = {0: "aligned", 1: "aligned", 2: "base", 3: "tie"}
    two = {0: "aligned", 1: "base", 2: "base", 3: "tie", 4: "base"}
    result = read_verdicts(key, [saved(tmp_path, key, "Ada", one), saved(tmp_path, key, "Bo", two)], FEW)
    assert result.agreement["raw"] == pytest.approx(3 / 4)
    assert result.agreement["kappa"] == pytest.approx((0.75 - 0.3125) / (1 - 0.3125))
    assert result.overlap == 4
    assert "Cohen's kappa 0.64" in to_markdown(result)


def test_always_the_first_answer_shows_as_a_habit(tmp_path: Path, key: Key) -> None:
    winners = {place: "aligned" if pair.aligned_first else "base" for place, pair in enumerate(key.pairs)}
    result = read_verdicts(key, [saved(tmp_path, key, "Ada", winners)], FEW)
    assert result.all.first == 1.0 and result.all.win_rate.value == 0.5


def test_questions_of_one_image_are_drawn_together(tmp_path: Path) -> None:
    models = two_models(tmp_path, 12, questions_an_image=6)
    key = write_sheet(*models, str(tmp_path / "images"), tmp_path / "out" / "sheet.html")
    winners = {i: "aligned" if pair.image == "0.png" else "base" for i, pair in enumerate(key.pairs)}
    result = read_verdicts(key, [saved(tmp_path, key, "Ada", winners)], FEW)
    assert (result.all.win_rate.low, result.all.win_rate.high) == (0.0, 1.0), "two images, not twelve questions"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"sheet": "0" * 64}, "verdicts on sheet 000000000000, the key is of sheet"),
        ({"rater": "  "}, "'rater'.*not empty"),
        ({"format": "another"}, "not a file that a sheet saved"),
        ({"verdicts": {}}, "'verdicts' is"),
        ({"verdicts": ["x"]}, "verdict 1 .*expected an object"),
        ({"verdicts": [{"pair": "ffff", "choice": "tie"}]}, 'verdict 1 id="ffff".*not on the sheet'),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path: Path, key: Key, damage: dict, words: str) -> None:
    file = saved(tmp_path, key, "Ada", {0: "tie"}, **damage)
    with pytest.raises((ArtifactError, RecordError), match=f"verdicts-Ada.json.*{words}"):
        read_verdicts(key, [file], FEW)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"choice": "left"}, "choice: is 'left'"),
        ({"choice": None}, "choice: is None"),
        ({"seconds": -1}, "seconds: is -1"),
        ({"seconds": "3"}, "seconds: is '3'"),
        ({"pair": ["x"]}, "not on the sheet"),
    ],
)
def test_a_verdict_that_is_none_is_refused_with_its_pair(tmp_path: Path, key: Key, changed: dict, words: str) -> None:
    good = {"pair": key.pairs[0].pair_id, "choice": "tie", "seconds": 1.0}
    file = saved(tmp_path, key, "Ada", {}, verdicts=[good, {**good, "pair": key.pairs[1].pair_id, **changed}])
    with pytest.raises(RecordError, match=f"verdicts-Ada.json: verdict 2 .*{words}"):
        read_verdicts(key, [file], FEW)


def test_a_pair_twice_and_a_rater_twice_are_refused(tmp_path: Path, key: Key) -> None:
    pair_id = key.pairs[0].pair_id
    twice = [{"pair": pair_id, "choice": "tie"}, {"pair": pair_id, "choice": "first"}]
    with pytest.raises(RecordError, match=f'verdict 2 id="{pair_id}".*once'):
        read_verdicts(key, [saved(tmp_path, key, "Ada", {}, verdicts=twice)], FEW)
    file = saved(tmp_path, key, "Ada", {0: "tie"})
    with pytest.raises(ArtifactError, match="rater 'Ada' has given .*verdicts-Ada.json already"):
        read_verdicts(key, [file, file], FEW)


def test_a_file_cut_off_and_no_file_at_all_are_refused(tmp_path: Path, key: Key) -> None:
    file = saved(tmp_path, key, "Ada", {0: "tie"})
    file.write_text(file.read_text()[:40])
    with pytest.raises(ArtifactError, match="verdicts-Ada.json: not JSON"):
        read_verdicts(key, [file], FEW)
    with pytest.raises(ArtifactError, match="absent.json: cannot be read"):
        read_verdicts(key, [tmp_path / "absent.json"], FEW)
    for none in ([], [saved(tmp_path, key, "Bo", {})]):
        with pytest.raises(ArtifactError, match="no verdict"):
            read_verdicts(key, none, FEW)
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"key\.json: not a sheet's key"):
        read_verdicts(tmp_path / "key.json", [file], FEW)


def test_a_raters_name_never_becomes_markup(tmp_path: Path, key: Key) -> None:
    file = saved(tmp_path, key, "Ada", {0: "tie"}, rater="<b>|`Ada")
    assert "&lt;b&gt;\\|\\`Ada" in to_markdown(read_verdicts(key, [file], FEW))


def test_the_commands_write_a_sheet_and_read_it_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, aligned = two_models(tmp_path, 4)
    out = tmp_path / "out" / "sheet.html"
    main(
        ["sheet", "--base", str(base.path), "--aligned", str(aligned.path), "--images", str(tmp_path / "images"),
         "--out", str(out)]
    )  # fmt: skip
    from groundtune.benchmarks.human_preference.key import read_key

    file = saved(tmp_path, read_key(out.with_name("key.json")), "Ada", {0: "aligned", 1: "tie"})
    result = tmp_path / "result.json"
    main(["read", "--key", str(out.with_name("key.json")), str(file), "--out", str(result)])
    assert "| Ada | 0.750" in capsys.readouterr().out
    assert json.loads(result.read_text())["all"]["win_rate"]["value"] == 0.75
    with pytest.raises(SystemExit, match="cannot be read"):
        main(["read", "--key", str(out.with_name("key.json")), str(tmp_path / "absent.json")])
