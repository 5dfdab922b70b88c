"""Compiled packages: they parse as PipelineSpec, carry every stage, and hold nothing of this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from groundtune.settings.sections import SECTIONS
from pipelines import gpu_profiles, placement, resources
from pipelines.config import AlignConfig
from pipelines.packages import PIPELINES

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-0f-th1s-mach1ne"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("packages")
    secrets = dict.fromkeys(placement.CREDENTIALS, SECRET)
    environment = {**os.environ, **secrets}
    subprocess.run(
        [sys.executable, "-m", "pipelines", "compile", "--out", str(out)], cwd=ROOT, env=environment, check=True
    )
    return out / "align.yaml"


@pytest.fixture(scope="module")
def spec_with_images(package):
    text = (package.parent / "align_with_images.yaml").read_text()
    return json_format.ParseDict(next(yaml.safe_load_all(text)), pipeline_spec_pb2.PipelineSpec())


@pytest.fixture(scope="module")
def documents(package):
    return list(yaml.safe_load_all(package.read_text()))


@pytest.fixture(scope="module")
def spec(documents):
    return json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())


def test_the_package_parses_as_a_pipeline_spec_with_every_stage(spec):
    assert spec.pipeline_info.name == "groundtune-align"
    stages = {name.removeprefix("exec-") for name in documents_executors(spec)}
    for stage in ("preflight", "prepare-prompts", "sample-candidates", "score-alignment", "score-confidence",
                  "combine-scores", "select-pairs", "train-dpo", "evaluate", "evaluate-2", "probe-modality",
                  "probe-modality-2", "write-report", "register-adapter"):  # fmt: skip
        assert stage in stages
    assert not {"prefer-images", "score-corrupted"} & stages, "no pod only to find out that it is not wanted"


def test_the_package_with_images_has_the_same_parameters_and_two_more_stages(spec, spec_with_images):
    assert spec_with_images.pipeline_info.name == "groundtune-align-with-images"
    plain, with_images = (s.root.input_definitions.parameters for s in (spec, spec_with_images))
    assert plain.keys() == with_images.keys()
    more = set(documents_executors(spec_with_images)) - set(documents_executors(spec))
    assert more == {"exec-prefer-images", "exec-score-corrupted"}
    loops = [c for name, c in spec_with_images.components.items() if name.startswith("comp-for-loop")]
    assert {"prefer-images", "score-corrupted"} in [set(loop.dag.tasks) for loop in loops]
    train = tasks_of(spec_with_images)["train-dpo"].inputs.artifacts
    assert {"image_pairs", "image_reference"} <= train.keys()


@pytest.fixture(scope="module")
def evaluate_documents(package):
    return list(yaml.safe_load_all((package.parent / "evaluate.yaml").read_text()))


def test_the_evaluation_is_planned_answered_in_slices_on_gpus_and_scored_without_one(evaluate_documents):
    spec = json_format.ParseDict(evaluate_documents[0], pipeline_spec_pb2.PipelineSpec())
    assert set(spec.root.dag.tasks) == {"close-run", "exit-handler-1"}
    tasks = tasks_of(spec)
    assert {"check-gpu", "plan-evaluation", "answer-questions", "score-answers", "report-evaluation"} <= set(tasks)
    assert not tasks["plan-evaluation"].caching_options.enable_cache
    (loop,) = (c for name, c in spec.components.items() if name.startswith("comp-for-loop"))
    assert list(loop.dag.tasks) == ["answer-questions"]
    executors = evaluate_documents[0]["deploymentSpec"]["executors"]
    gpus = {name for name, one in executors.items() if "accelerator" in one["container"].get("resources", {})}
    assert gpus == {"exec-answer-questions", "exec-check-gpu"}
    images = {name: executor["container"]["image"] for name, executor in executors.items()}
    assert "light" in images["exec-score-answers"] and "light" in images["exec-report-evaluation"]
    parameters = spec.root.input_definitions.parameters
    for name in ("evaluation", "judge"):
        assert (
            SECTIONS[name].from_mapping(json_format.MessageToDict(parameters[name].default_value)) == SECTIONS[name]()
        )
    assert all(parameter.description for parameter in parameters.values()), "the UI shows them"
    assert all(parameters[name].is_optional for name in parameters if name not in ("benchmarks_root", "model"))


def test_the_judge_s_key_comes_from_the_secret_where_a_judge_is_asked(evaluate_documents):
    executors = evaluate_documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name in ("exec-plan-evaluation", "exec-score-answers"):
        keys = {e["envVar"] for secret in executors[name]["secretAsEnv"] for e in secret["keyToEnv"]}
        assert "GROUNDTUNE_JUDGE_API_KEY" in keys


def documents_executors(spec):
    return spec.deployment_spec["executors"]


def tasks_of(spec):
    """Every task, however deep in handler, loop and condition."""
    dags = [spec.root, *(component for component in spec.components.values() if component.HasField("dag"))]
    return {name: task for one in dags for name, task in one.dag.tasks.items()}


def test_sampling_scoring_and_confidence_run_in_parallel_shards(spec):
    loops = [c for name, c in spec.components.items() if name.startswith("comp-for-loop")]
    assert len(loops) == 1
    assert {"sample-candidates", "score-alignment", "score-confidence"} <= set(loops[0].dag.tasks)


def test_pure_stages_are_cached_and_what_looks_outside_is_not(spec):
    tasks = {name: task for name, task in tasks_of(spec).items() if f"exec-{name}" in documents_executors(spec)}
    outside = {"preflight", "check-gpu", "close-run", "register-adapter"}
    assert {name for name, task in tasks.items() if not task.caching_options.enable_cache} == outside


def test_whatever_happens_the_exit_handler_has_the_last_word(spec):
    last, run = (spec.root.dag.tasks[name] for name in ("close-run", "exit-handler-1"))
    assert last.trigger_policy.strategy == last.trigger_policy.ALL_UPSTREAM_TASKS_COMPLETED
    assert list(last.dependent_tasks) == ["exit-handler-1"]
    assert set(spec.root.dag.tasks) == {"close-run", "exit-handler-1"}, "nothing is outside of it"
    assert run.component_ref.name == "comp-exit-handler-1"


GPU_STAGES = {
    "check-gpu", "sample-candidates", "score-alignment", "score-confidence", "train-dpo", "evaluate", "evaluate-2",
    "probe-modality", "probe-modality-2",
}  # fmt: skip
LIGHT_STAGES = {"close-run", "combine-scores", "select-pairs", "write-report"}


def test_every_stage_has_its_image(documents):
    for name, executor in documents[0]["deploymentSpec"]["executors"].items():
        kind = "light" if name.removeprefix("exec-") in LIGHT_STAGES else "stage"
        assert f"/{kind}-python" in executor["container"]["image"], name


def test_every_stage_asks_for_cpu_and_memory_and_only_those_that_compute_for_gpus(documents):
    for name, executor in documents[0]["deploymentSpec"]["executors"].items():
        asked = executor["container"]["resources"]
        for kind in ("Cpu", "Memory"):
            request, limit = (asked[f"resource{kind}{side}"] for side in ("Request", "Limit"))
            assert 0 < resources.amount(request) <= resources.amount(limit), name
        assert ("accelerator" in asked) == (name.removeprefix("exec-") in GPU_STAGES), name


def test_every_component_has_its_resources():
    components = {folder.parent.name for folder in (ROOT / "components").glob("*/component.py")}
    assert set(resources.table()) == components


def test_gpus_node_pool_and_tolerations_are_parameters_that_reach_every_gpu_task(documents):
    """A platform setting refers to an input of the group around the task; one that is not there is lost."""
    spec, platform = documents
    settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    labels = {c["executorLabel"]: name for name, c in spec["components"].items() if "executorLabel" in c}
    groups = [c for c in spec["components"].values() if "dag" in c]
    for label, component in labels.items():
        ours = settings[label]
        if label.removeprefix("exec-") not in GPU_STAGES:
            assert "nodeSelector" not in ours and "tolerations" not in ours and "emptyDirMounts" not in ours
            continue
        (group,) = (g for g in groups if component in [t["componentRef"]["name"] for t in g["dag"]["tasks"].values()])
        (toleration,) = ours["tolerations"]
        for reference in (ours["nodeSelector"]["nodeSelectorJson"], toleration["tolerationJson"]):
            assert reference["componentInputParameter"] in group["inputDefinitions"]["parameters"], label
        (task,) = (t for t in group["dag"]["tasks"].values() if t["componentRef"]["name"] == component)
        again = task.get("retryPolicy", {}).get("maxRetryCount", 0)
        assert (again >= 2) == (label != "exec-check-gpu"), f"{label}: errors of check-gpu are final"
        assert ours["emptyDirMounts"][0]["mountPath"] == "/dev/shm"
        accelerator = spec["deploymentSpec"]["executors"][label]["container"]["resources"]["accelerator"]
        count = "training_gpus" if label == "exec-train-dpo" else "accelerator_count"
        assert count in accelerator["resourceCount"] and "accelerator" in accelerator["resourceType"]


@pytest.mark.parametrize("name", ["align", "align_with_images", "evaluate"])
def test_whatever_a_task_takes_from_its_group_the_group_has(package, name):
    spec = next(yaml.safe_load_all((package.parent / f"{name}.yaml").read_text()))
    for group in (spec["root"], *(c for c in spec["components"].values() if "dag" in c)):
        there = group.get("inputDefinitions", {}).get("parameters", {})
        for task_name, task in group["dag"]["tasks"].items():
            taken = task.get("inputs", {}).get("parameters", {}).values()
            missing = {one["componentInputParameter"] for one in taken if "componentInputParameter" in one} - set(there)
            assert not missing, task_name


def test_every_task_gets_endpoints_credentials_and_the_run_s_id(documents):
    settings = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name in documents[0]["deploymentSpec"]["executors"]:
        maps = {e["envVar"] for one in settings[name]["configMapAsEnv"] for e in one["keyToEnv"]}
        secrets = {e["envVar"] for one in settings[name]["secretAsEnv"] for e in one["keyToEnv"]}
        assert maps == set(placement.ENVIRONMENT) and secrets == set(placement.CREDENTIALS), name
        assert settings[name]["fieldPathAsEnv"][0]["name"] == "GROUNDTUNE_RUN_ID"


def test_a_gpu_profile_becomes_the_defaults_of_the_parameters(tmp_path):
    command = [sys.executable, "-m", "pipelines", "compile", "--out", str(tmp_path), "--gpu-profile", "h100-13b"]
    subprocess.run(command, cwd=ROOT, check=True)
    profile = gpu_profiles.table()["h100-13b"]
    spec = next(yaml.safe_load_all((tmp_path / "align.yaml").read_text()))
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["node_selector"]["defaultValue"] == profile["node_selector"]
    assert parameters["sampling"]["defaultValue"]["cache_tokens"] == profile["sampling"]["cache_tokens"]
    assert parameters["sampling"]["defaultValue"]["num_candidates"] == 8, "the rest is as it was"


def test_training_over_nodes_is_one_light_task_that_gets_the_pool_for_its_job(package, tmp_path):
    command = [sys.executable, "-m", "pipelines", "compile", "--out", str(tmp_path), "--trainer", "trainjob"]
    subprocess.run(command, cwd=ROOT, check=True)
    for name in ("align.yaml", "align_with_images.yaml"):
        document, platform = yaml.safe_load_all((tmp_path / name).read_text())
        plain = next(yaml.safe_load_all((package.parent / name).read_text()))
        executors = document["deploymentSpec"]["executors"]
        assert set(executors) - set(plain["deploymentSpec"]["executors"]) == {"exec-train-dpo-job"}
        assert "exec-train-dpo" not in executors
        assert "accelerator" not in executors["exec-train-dpo-job"]["container"]["resources"]
        assert "emptyDirMounts" not in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][
            "exec-train-dpo-job"
        ]
        spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
        task = tasks_of(spec)["train-dpo-job"]
        passed = task.inputs.parameters
        assert {"accelerator", "gpus", "node_selector", "tolerations", "parallel", "settings"} <= passed.keys()
        assert "training_gpus" in passed["gpus"].component_input_parameter
        assert task.retry_policy.max_retry_count >= 2, "a retried task follows the job that goes on"
        checked = tasks_of(spec)["preflight"].inputs.parameters
        assert checked["over_nodes"].runtime_value.constant.bool_value
        parameters = document["root"]["inputDefinitions"]["parameters"]
        assert parameters == plain["root"]["inputDefinitions"]["parameters"], "one form in the UI for both"


def test_defaults_in_the_package_are_those_of_the_settings(spec):
    parameters = spec.root.input_definitions.parameters
    for name in AlignConfig.SECTIONS:
        cls = SECTIONS[name]
        assert cls.from_mapping(json_format.MessageToDict(parameters[name].default_value)) == cls()


def test_no_secret_and_no_path_of_this_machine_is_compiled_into_any_package(package):
    packages = {file.name: file.read_text() for file in package.parent.iterdir()}
    assert packages.keys() == {f"{name}.yaml" for name in PIPELINES}
    for text in packages.values():
        assert all(name in text for name in placement.CREDENTIALS), "the names of the secrets stand there"
        assert SECRET not in text
        assert str(ROOT) not in text and os.path.expanduser("~") + "/" not in text


def test_credentials_come_from_a_secret_and_the_run_id_from_the_pod(documents):
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train-dpo"]
    keys = {e["envVar"] for secret in platform["secretAsEnv"] for e in secret["keyToEnv"]}
    assert "AWS_SECRET_ACCESS_KEY" in keys
    assert platform["fieldPathAsEnv"][0]["fieldPath"] == "metadata.labels['pipeline/runid']"
    assert platform["emptyDirMounts"][0]["medium"] == "Memory"


def test_compiling_needs_neither_torch_nor_mlflow():
    code = (
        "import sys, pipelines.align; print(sorted({'torch', 'transformers', 'mlflow', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
