"""images.lock: a package names images by digest, and what could move is refused with its role and file."""

import json

import pytest
import yaml

from components.images import LIGHT, ROLES, SAMPLER, STAGE
from groundtune.errors import SettingError
from pipelines import image_lock
from pipelines.__main__ import main
from pipelines.packages import PIPELINES, Packaging, compile_one

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LOCKED = {role: f"registry.example:5000/groundtune/{role}@{A}" for role in ROLES}


def lock(tmp_path, images):
    file = tmp_path / "images.lock"
    file.write_text(yaml.safe_dump({"images": images}))
    return file


def images_of(package):
    executors = next(yaml.safe_load_all(package.read_text()))["deploymentSpec"]["executors"]
    return {name: executor["container"]["image"] for name, executor in executors.items() if "container" in executor}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_of_a_locked_package_runs_the_locked_image_of_its_role(name, tmp_path):
    plain = compile_one(name, tmp_path / "plain.yaml")
    locked = compile_one(name, tmp_path / "locked.yaml", Packaging(image_lock.read(lock(tmp_path, LOCKED))))

    before = images_of(plain)
    instead = {tag: LOCKED[role] for role, tag in ROLES.items()}
    assert set(before.values()) == {STAGE, LIGHT}
    assert images_of(locked) == {task: instead[tag] for task, tag in before.items()}


@pytest.mark.parametrize("name", PIPELINES)
def test_vllm_moves_only_the_task_that_samples_and_the_default_of_its_engine(name, tmp_path):
    plain = compile_one(name, tmp_path / "plain.yaml")
    moved = compile_one(name, tmp_path / "vllm.yaml", Packaging(sampler="vllm"))
    images = image_lock.read(lock(tmp_path, LOCKED))
    locked = compile_one(name, tmp_path / "locked.yaml", Packaging(images, sampler="vllm"))

    sampling = [task for task in images_of(plain) if task == "exec-sample-candidates"]
    assert len(sampling) == name.startswith(("align", "retrain"))
    assert images_of(moved) == {**images_of(plain), **dict.fromkeys(sampling, SAMPLER)}
    assert [images_of(locked)[task] for task in sampling] == [LOCKED["sampler-vllm"]] * len(sampling)
    before, after = (next(yaml.safe_load_all(file.read_text()))["root"]["inputDefinitions"] for file in (plain, moved))
    for task in sampling:
        assert before["parameters"]["sampling"]["defaultValue"].pop("engine") == "transformers", task
        assert after["parameters"]["sampling"]["defaultValue"].pop("engine") == "vllm", task
    assert after == before


def test_the_command_takes_the_sampler(tmp_path, capsys):
    assert main(["compile", "--sampler", "vllm", "--out", str(tmp_path)]) == 0
    assert images_of(tmp_path / "align.yaml")["exec-sample-candidates"] == SAMPLER
    assert SAMPLER not in images_of(tmp_path / "evaluate.yaml").values()


def test_nothing_but_the_images_differs_between_a_package_and_its_locked_twin(tmp_path):
    images = image_lock.read(lock(tmp_path, LOCKED))
    plain = compile_one("evaluate", tmp_path / "plain.yaml").read_text()
    locked = compile_one("evaluate", tmp_path / "locked.yaml", Packaging(images)).read_text()

    for role, tag in ROLES.items():
        locked = locked.replace(LOCKED[role], tag)
    assert locked == plain
    assert locked.startswith("# PIPELINE DEFINITION")


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("registry.example/groundtune/stage:latest", "`latest` moves"),
        ("registry.example/groundtune/stage", "`latest` moves"),
        ("registry.example:5000/groundtune/stage", "`latest` moves"),
        ("registry.example/groundtune/stage:0.1.0", "a tag can move"),
    ],
)
def test_a_reference_that_can_move_is_refused_with_its_role_and_file(reference, reason, tmp_path):
    file = lock(tmp_path, {**LOCKED, "stage": reference})

    with pytest.raises(SettingError, match=reason) as refused:
        image_lock.read(file)

    assert "images.stage" in str(refused.value) and str(file) in str(refused.value)
    assert "--allow-tags" in str(refused.value)
    assert image_lock.read(file, allow_tags=True).references["stage"] == reference


@pytest.mark.parametrize(
    "reference", ["", 7, None, "stage@sha256:abc", f"Stage Image@{A}", f"stage@{A.upper()}", f"stage@{A}\n", "a//b:1"]
)
def test_what_is_no_reference_is_refused_whatever_is_allowed(reference, tmp_path):
    with pytest.raises(SettingError, match="setting 'images.stage' in"):
        image_lock.read(lock(tmp_path, {"stage": reference}), allow_tags=True)


def test_a_tag_beside_a_digest_is_dropped_because_only_the_digest_decides(tmp_path):
    file = lock(tmp_path, {"light": f"registry.example/light:latest@{A}"})
    assert image_lock.read(file).references == {"light": f"registry.example/light@{A}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images: {trainer: x}", "setting 'images.trainer'"),
        ("images: [x]", "setting 'images' in"),
        ("stage: x", "setting 'images' in"),
        ("{", "'--images'"),
    ],
)
def test_a_file_that_is_no_lock_is_refused_by_name(text, message, tmp_path):
    file = tmp_path / "images.lock"
    file.write_text(text)
    with pytest.raises(SettingError, match=message) as refused:
        image_lock.read(file)
    assert str(file) in str(refused.value)


def test_a_role_that_a_package_needs_and_the_lock_lacks_stops_the_command(tmp_path, capsys):
    file = lock(tmp_path, {"light": LOCKED["light"]})

    assert main(["compile", "--out", str(tmp_path / "out"), "--images", str(file)]) == 1

    said = capsys.readouterr().err
    assert "setting 'images.stage'" in said and str(file) in said and "groundtune-align" in said
    assert not list((tmp_path / "out").glob("*")), "no package with images that somebody did not choose"


def test_without_a_lock_the_command_says_that_the_images_are_tags(tmp_path, capsys):
    assert main(["compile", "--out", str(tmp_path)]) == 0

    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "tags for development" in said.err and "--images" in said.err
    assert set(images_of(tmp_path / "align.yaml").values()) == {STAGE, LIGHT}
    assert len(said.out.splitlines()) == len(PIPELINES)


def test_what_skaffold_built_becomes_the_lock_and_the_packages(tmp_path, capsys):
    built = [
        {"imageName": tag.rpartition(":")[0], "tag": f"registry.example/{tag}@{digest}"}
        for tag, digest in ((STAGE, A), (LIGHT, B))
    ]
    (tmp_path / "build.json").write_text(json.dumps({"builds": built}))
    out = tmp_path / "images.lock"

    assert main(["lock", "--from", str(tmp_path / "build.json"), "--out", str(out)]) == 0
    assert main(["compile", "--images", str(out), "--out", str(tmp_path)]) == 0

    expected = {f"registry.example/{one['imageName']}@{one['tag'].partition('@')[2]}" for one in built}
    assert set(image_lock.read(out).references.values()) == expected
    assert set(images_of(tmp_path / "align.yaml").values()) == expected
    assert "development" not in capsys.readouterr().err


def test_an_option_of_a_role_wins_over_skaffolds_file_and_writes_the_same_bytes_again(tmp_path):
    built = [{"imageName": ROLES["stage"].rpartition(":")[0], "tag": f"registry.example/stage:1@{A}"}]
    (tmp_path / "build.json").write_text(json.dumps({"builds": built}))
    out = tmp_path / "images.lock"
    command = ["lock", "--from", str(tmp_path / "build.json"), "--stage", f"other.example/stage@{B}", "--out", str(out)]

    assert main(command) == 0
    written = out.read_bytes()
    assert image_lock.read(out).references == {"stage": f"other.example/stage@{B}"}
    assert main(command) == 0 and out.read_bytes() == written


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"builds": [{"imageName": "nginx", "tag": f"nginx@{A}"}]}, "setting 'imageName'"),
        ({"builds": [{"imageName": "groundtune/stage-python"}]}, "setting '--from'"),
        ({"builds": [{"imageName": "groundtune/stage-python", "tag": "groundtune/stage-python:1"}]}, "images.stage"),
        ([], "setting '--from'"),
    ],
)
def test_a_build_that_cannot_be_locked_is_refused_and_nothing_is_written(build, message, tmp_path, capsys):
    (tmp_path / "build.json").write_text(json.dumps(build))
    out = tmp_path / "images.lock"

    assert main(["lock", "--from", str(tmp_path / "build.json"), "--out", str(out)]) == 1

    said = capsys.readouterr().err
    assert message in said and "build.json" in said
    assert not out.exists()


@pytest.mark.parametrize("option", ["--from", "--images"])
def test_a_file_that_cannot_be_read_is_named(option, tmp_path, capsys):
    command = "lock" if option == "--from" else "compile"
    assert main([command, option, str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert f"setting '{option}' is '{tmp_path / 'none'}'" in capsys.readouterr().err


def test_a_lock_of_nothing_is_refused(capsys, tmp_path):
    assert main(["lock", "--out", str(tmp_path / "images.lock")]) == 1
    assert "--from FILE" in capsys.readouterr().err
