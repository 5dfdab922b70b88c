"""The cut-outs' models: built by the drawn world's command, in few steps here, and from where it stopped."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from groundtune.demo import build as building
from groundtune.demo.__main__ import main
from groundtune.demo.cutouts.world import CutoutWorld
from groundtune.demo.packing import prompt_text
from pipelines import config
from tests.unit.demo import made_up_cutouts as made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up.made_up_cutouts(tmp_path_factory.mktemp("cutouts"))


def _build(folder: Path, out: Path, *more: str) -> dict[str, Any]:
    main(["build", "--world", "cutouts", "--photographs", str(folder), "--out", str(out), "--quick", *more])
    record: dict[str, Any] = json.loads((out / "BUILD.json").read_text(encoding="utf-8"))
    return record


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    _build(folder, out)
    return out


def test_a_build_leaves_ordinary_checkpoints_and_says_what_it_measured(built: Path, folder: Path) -> None:
    record = json.loads((built / "BUILD.json").read_text(encoding="utf-8"))
    assert record["world"] == CutoutWorld(folder).record() and record["clips_of_an_earlier_call"] == []
    assert set(record["measured"]["clip_sentence_auc"]) == {"companion", "position"}  # no colours, no numbers
    model = AutoModelForImageTextToText.from_pretrained(built / "llava", dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(built / "llava")
    picture = CutoutWorld(folder).render(next(CutoutWorld(folder).scenes(0, "eval", 1)))
    inputs = processor(images=picture, text=prompt_text("Is there a cow in the image?"), return_tensors="pt")
    assert model.generate(**inputs, do_sample=False, max_new_tokens=3).shape[0] == 1
    assert processor.tokenizer.tokenize(" Yes") == ["ĠYes"]


def test_a_build_says_what_it_measured(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _build(folder, tmp_path)
    said = capsys.readouterr().out
    for word in ("name what is not there", "existence", "absent companions", "CLIP tells them apart with AUC"):
        assert word in said


def test_a_build_that_was_stopped_goes_on_to_the_same_weights(
    built: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, trained = building.train_clip, []

    def once(seed: int, *rest: Any) -> Any:
        if trained:
            raise KeyboardInterrupt
        trained.append(seed)
        return whole(seed, *rest)

    with monkeypatch.context() as stopped:
        stopped.setattr(building, "train_clip", once)
        with pytest.raises(KeyboardInterrupt):
            _build(folder, tmp_path)
    assert not (tmp_path / "BUILD.json").exists()
    record = _build(folder, tmp_path)
    assert record["clips_of_an_earlier_call"] == ["scorer"]
    for part in ("llava", "clip"):
        weights = [(out / part / "model.safetensors").read_bytes() for out in (built, tmp_path)]
        assert weights[0] == weights[1]


def test_kept_clips_of_another_seed_or_folder_are_refused(built: Path, folder: Path, tmp_path: Path) -> None:
    kept = ("--clips", str(built / "clips"))
    with pytest.raises(SystemExit, match="'clips' is .*CLIPs of this world, seed and settings"):
        _build(folder, tmp_path, "--seed", "1", *kept)
    other = made_up.made_up_cutouts(tmp_path / "more")
    made_up.draw_cutout(other / "one-more.png", 77, "A cow.")
    with pytest.raises(SystemExit, match="'clips' is .*CLIPs of this world, seed and settings"):
        _build(other, tmp_path, *kept)


def test_the_guides_commands_make_what_the_presets_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = Path("docs/cutouts.md").read_text(encoding="utf-8")
    commands = [line for line in guide.splitlines() if line.startswith("    python -m groundtune.demo ")]
    made_up.synonyms(tmp_path).rename(tmp_path / "synonyms_refine.txt")
    monkeypatch.chdir(tmp_path)
    small = {"write": ["--prompts", "1", "--eval", "2"], "build": ["--quick", "--threads", "1"]}
    for command in commands:
        words = shlex.split(command)[3:]
        main([*words, "--photographs", str(folder), *small.pop(words[0])])
    assert not small
    for kind in (config.AlignConfig, config.CompareConfig):
        loaded = config.load(kind, preset="cutouts")
        evaluation = loaded.arguments()["evaluation"]
        for place in (loaded.prompts, loaded.model, loaded.scorers["contrastive"]):
            assert Path(place).exists() and Path(place).is_relative_to(tmp_path)
        for name in (*evaluation["benchmarks"].values(), evaluation["vocabulary"]):
            assert (Path(loaded.benchmarks_root) / name).is_file()
