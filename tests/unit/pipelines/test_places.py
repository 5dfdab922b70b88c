"""A run on a cluster names no file of this machine."""

from pathlib import Path

import pytest

from groundtune.errors import GroundtuneError, SettingError
from pipelines import config
from pipelines.submission.places import check_pipeline_root, check_places

REMOTE = {"prompts": "s3://b/p.jsonl", "model": "s3://b/m", "scorers": {"contrastive": "s3://b/c"},
          "benchmarks_root": "s3://b/q"}  # fmt: skip


def checked(changes: dict[str, object], *mounted: str) -> None:
    values = {**REMOTE, **changes}
    loaded = config.load(config.AlignConfig, direct=values)
    check_places(loaded, loaded.arguments(), mounted)


def test_s3_everywhere_is_fine() -> None:
    checked({})


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"prompts": "data/p.jsonl"}, "prompts"),
        ({"images_root": "/data"}, "images_root"),
        ({"model": "/models/llava"}, "model"),
        ({"scorers": {"contrastive": "s3://b/c", "claims": "llava"}}, "scorers.claims"),
        ({"region_models": {"sam": "sam"}}, "region_models.sam"),
        ({"judge": {"cache": "/tmp/replies"}}, "judge.cache"),
    ],
)
def test_a_path_of_this_machine_is_refused_with_its_setting(
    changes: dict[str, object], setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=f"setting '{setting}' is '.*': expected an s3:// URI: a pod sees no file"):
        checked(changes)


def test_a_volume_of_the_pods_is_taken_and_nothing_that_only_begins_like_it() -> None:
    checked({"model": "/mnt/models/llava"}, "/mnt/models")
    with pytest.raises(SettingError, match="'model'"):
        checked({"model": "/mnt/models-of-mine/llava"}, "/mnt/models")


def test_an_s3_uri_without_a_bucket_is_named() -> None:
    with pytest.raises(GroundtuneError, match="s3://bucket/key"):
        checked({"model": "s3:///llava"})


def test_an_evaluation_s_places_are_checked_too() -> None:
    loaded = config.load(
        config.EvaluateConfig, direct={"benchmarks_root": "s3://b/q", "model": "s3://b/m", "adapter": "a"}
    )
    with pytest.raises(SettingError, match="'adapter'"):
        check_places(loaded, loaded.arguments(), ())


@pytest.mark.parametrize("root", ["", "s3://b/runs", "minio://b/runs", "gs://b/runs"])
def test_a_pipeline_root_is_a_uri(root: str) -> None:
    check_pipeline_root(root)


def test_a_pipeline_root_of_this_machine_is_refused() -> None:
    with pytest.raises(SettingError, match="'--pipeline-root' is '/tmp/runs'"):
        check_pipeline_root("/tmp/runs")
