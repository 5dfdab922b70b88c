"""`python -m pipelines submit` and `schedule`, as a person types them."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.images import ROLES, SAMPLER
from pipelines.__main__ import main
from pipelines.packages import Packaging, compile_one
from pipelines.submission.connection import TOKEN, Cluster, ClusterError
from pipelines.submission.runs import Submission, start
from tests.kfp_server import State
from tests.services.submission.conftest import RETRAINING, S3, SECRET

pytestmark = pytest.mark.pipeline
Told = pytest.CaptureFixture[str]
README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
QUOTED = re.findall(r"-m pipelines ((?:submit|schedule) (?:.*\\\n)*.*)", README)
COMMANDS = [shlex.split(one.replace("\\\n", " ")) for one in QUOTED]


def cached_tasks(specification: dict[str, Any]) -> set[str]:
    components = [specification["root"], *specification["components"].values()]
    return {
        name
        for component in components
        for name, task in component.get("dag", {"tasks": {}})["tasks"].items()
        if task.get("cachingOptions", {}).get("enableCache")
    }


def test_a_run_starts_as_it_was_asked_for(api: tuple[str, State], config: str, capsys: Told) -> None:
    url, state = api
    status = main(
        ["submit", "align", "--config", config, "--set", "sampling.num_candidates=5", "--allow-tags", "--run-name",
         "mine", "--experiment", "kitchens", "--service-account", "trainer", "--pipeline-root", "s3://bucket/runs"]
    )  # fmt: skip
    (request,) = state.made("RunService_CreateRun")
    (run,) = state.runs
    assert status == 0
    assert capsys.readouterr().out == f"run   {run}\npage  {url}/#/runs/details/{run}\n"
    body = request.body
    assert state.experiments[body["experiment_id"]]["display_name"] == "kitchens"
    assert (body["display_name"], body["service_account"]) == ("mine", "trainer")
    assert body["runtime_config"]["pipeline_root"] == "s3://bucket/runs"
    parameters = body["runtime_config"]["parameters"]
    assert parameters["prompts"] == f"{S3}prompts.jsonl"
    assert parameters["sampling"]["num_candidates"] == 5 and parameters["training"]["epochs"] == 2
    assert parameters["training"]["beta"] == 0.1, "a section is sent whole, with its defaults"
    assert request.authorization == f"Bearer {SECRET}"
    assert SECRET not in json.dumps([(one.body, one.query) for one in state.requests])


def test_without_caching_no_task_of_any_depth_is_cached(api: tuple[str, State], config: str, compiled: Path) -> None:
    with_caching = next(yaml.safe_load_all(compiled.read_text()))
    assert {"sample-candidates", "train-dpo"} <= cached_tasks(with_caching)
    assert main(["submit", "align_with_images", "--config", config, "--allow-tags", "--no-cache"]) == 0
    specification = api[1].made("RunService_CreateRun")[0].body["pipeline_spec"]["pipeline_spec"]
    assert cached_tasks(specification) == set()
    assert specification["pipelineInfo"]["name"] == "groundtune-align-with-images"


def test_a_run_that_samples_with_vllm_gets_its_image(api: tuple[str, State], config: str) -> None:
    assert main(["submit", "align", "--config", config, "--allow-tags", "--set", "sampling.engine=vllm"]) == 0
    body = api[1].made("RunService_CreateRun")[0].body
    executors = body["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    images = {name: one["container"]["image"] for name, one in executors.items() if "container" in one}
    assert [name for name, image in images.items() if image == SAMPLER] == ["exec-sample-candidates"]
    assert body["runtime_config"]["parameters"]["sampling"]["engine"] == "vllm"


def test_waiting_ends_with_the_run_s_own_status(api: tuple[str, State], config: str, capsys: Told) -> None:
    api[1].snapshots = [{"state": "SUCCEEDED", "finished_at": "2026-12-01T00:10:00Z"}]
    places = ["--model", f"{S3}m", "--benchmarks-root", f"{S3}b"]
    asked = ["--set", "evaluation.benchmarks={chair: c.jsonl}", "--set", "evaluation.vocabulary=v.txt"]
    evaluation = ["submit", "evaluate", "--allow-tags", "--wait", *places, *asked]
    assert main(evaluation) == 0
    api[1].snapshots = [{"state": "FAILED", "finished_at": "2026-12-01T00:20:00Z", "error": {"message": "no GPU"}}]
    assert main(evaluation) == 1
    assert "failed     the run: no GPU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "model=llava"], "error: setting 'model' is '"),
        (["--set", "training.beta=-1"], "error: setting 'beta' in training is -1"),
        (["--pipeline-root", "runs"], "error: setting '--pipeline-root' is 'runs'"),
        (["--retries", "2"], "error: setting '--retries' is 2: expected 0 or more, with --wait"),
        (["--images", "/no/images.lock"], "error: setting '--images' is '/no/images.lock'"),
    ],
)
def test_a_wrong_setting_is_found_before_the_cluster_hears_of_it(
    api: tuple[str, State], config: str, capsys: Told, options: list[str], words: str
) -> None:
    tags = [] if "--images" in options else ["--allow-tags"]
    assert main(["submit", "align", "--config", config, *tags, *options]) == 1
    assert capsys.readouterr().err.startswith(words)
    assert api[1].requests == []


def test_images_have_digests_unless_tags_are_asked_for(api: tuple[str, State], config: str, capsys: Told) -> None:
    assert main(["submit", "align", "--config", config]) == 1
    assert "setting '--images' is 'nothing': expected an images.lock" in capsys.readouterr().err
    assert api[1].requests == []


def test_an_interrupted_start_does_not_ask_to_be_repeated(
    cluster: Cluster, wanted: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster.client._run_api, "run_service_create_run", interrupted)
    with pytest.raises(ClusterError, match="interrupted; the run 'nightly' may have started: look before"):
        start(cluster, wanted)


def test_a_token_is_no_option(config: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["submit", "align", "--config", config, "--token", SECRET])
    assert refused.value.code == 2 and TOKEN == "GROUNDTUNE_KFP_TOKEN"


def test_a_retraining_is_not_tried_again_as_the_same_run(api: tuple[str, State], config: str, capsys: Told) -> None:
    command = ["submit", "retrain", "--config", config, "--allow-tags", "--wait", "--retries", "3"]
    assert main(command) == 1
    assert "setting '--retries' is 3: expected 0 for a retraining" in capsys.readouterr().err
    assert api[1].requests == []


def test_a_schedule_is_made_listed_switched_and_deleted(api: tuple[str, State], config: str, capsys: Told) -> None:
    url, state = api
    made_by = ["align", "--config", config, "--allow-tags", "--name", "nightly", "--cron", "0 0 3 * * *"]
    assert main(["schedule", *made_by]) == 0
    (made,) = state.recurring
    assert capsys.readouterr().out == (
        f"schedule  nightly ({made}), 0 0 3 * * *\npage      {url}/#/recurringrun/details/{made}\n"
    )
    for command, listed in ((["--disable", "nightly"], "disabled"), (["--enable", "nightly"], "enabled")):
        assert main(["schedule", *command]) == 0
        capsys.readouterr()
        assert main(["schedule", "--list"]) == 0
        assert capsys.readouterr().out.split() == ["nightly", listed, "0", "0", "3", "*", "*", "*", made]
    assert main(["schedule", "--host", url, "--delete", "nightly"]) == 0
    assert state.recurring == {}
    assert main(["schedule", "--delete", "nightly"]) == 1
    assert "none: the experiment has no schedule" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cron", "0 3 * * *"], "expected six fields, seconds first"),
        (["--cron", "0 0 3 * * *", "--start", "tomorrow"], "setting '--start' is 'tomorrow'"),
    ],
)
def test_a_wrong_time_is_found_before_the_cluster_hears_of_it(
    api: tuple[str, State], config: str, capsys: Told, options: list[str], words: str
) -> None:
    assert main(["schedule", "align", "--config", config, "--allow-tags", "--name", "n", *options]) == 1
    assert words in capsys.readouterr().err and api[1].requests == []


@pytest.mark.parametrize("options", [[], ["--list", "align", "--name", "n", "--cron", "0 0 3 * * *"]])
def test_a_schedule_command_does_one_thing(api: tuple[str, State], capsys: Told, options: list[str]) -> None:
    assert main(["schedule", *options]) == 1
    assert "expected a pipeline, or one of --list" in capsys.readouterr().err


def test_the_host_may_stand_before_the_pipeline_or_after_it(
    api: tuple[str, State], config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    rest = ["--config", config, "--allow-tags", "--name", "n", "--cron", "0 0 3 * * *"]
    assert main(["schedule", "--host", api[0], "align", *rest]) == 0
    assert main(["schedule", "align", "--host", api[0], *rest]) == 0
    assert len(api[1].recurring) == 1


def test_a_package_without_caching_is_the_same_package_otherwise(tmp_path: Path, compiled: Path) -> None:
    def documents(file: Path) -> list[Any]:
        found = list(yaml.safe_load_all(file.read_text()))
        for component in [found[0]["root"], *found[0]["components"].values()]:
            for task in component.get("dag", {"tasks": {}})["tasks"].values():
                task["cachingOptions"] = {}
        return found

    assert documents(compile_one("align", tmp_path / "a.yaml", Packaging(caching=False))) == documents(compiled)


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command[:2]) for command in COMMANDS])
def test_a_command_of_the_readme_does_what_it_says(
    api: tuple[str, State], config: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, state = api
    folder = Path(config).parent
    monkeypatch.chdir(folder)
    monkeypatch.delenv(TOKEN)
    (folder / "mine.yaml").write_text(RETRAINING if "retrain" in command else Path(config).read_text())
    (folder / "token").write_text(SECRET)
    references = {role: f"registry.example/groundtune/{role}@sha256:{'a' * 64}" for role in ROLES}
    (folder / "images.lock").write_text(yaml.safe_dump({"images": references}))
    state.snapshots = [{"state": "SUCCEEDED"}]
    assert main([url if word == "https://kubeflow.example/pipeline" else word for word in command]) == 0
    (made,) = [*state.runs.values(), *state.recurring.values()]
    executors = made["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    images = {one["container"]["image"] for one in executors if "container" in one}
    assert images <= set(references.values()) and references["stage"] in images


def test_the_readme_submits_and_schedules() -> None:
    said = [" ".join(command[:2]) for command in COMMANDS]
    assert said == ["submit align", "schedule align", "schedule retrain"]
