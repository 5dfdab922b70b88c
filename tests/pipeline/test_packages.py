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

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-0f-th1s-mach1ne"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("packages")
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": SECRET, "MLFLOW_TRACKING_PASSWORD": SECRET}
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
    train = spec_with_images.root.dag.tasks["train-dpo"].inputs.artifacts
    assert {"image_pairs", "image_reference"} <= train.keys()


@pytest.fixture(scope="module")
def evaluate_documents(package):
    return list(yaml.safe_load_all((package.parent / "evaluate.yaml").read_text()))


def test_the_evaluation_is_planned_answered_in_slices_on_gpus_and_scored_without_one(evaluate_documents):
    spec = json_format.ParseDict(evaluate_documents[0], pipeline_spec_pb2.PipelineSpec())
    assert set(spec.root.dag.tasks) == {"plan-evaluation", "for-loop-1", "score-answers", "report-evaluation"}
    assert not spec.root.dag.tasks["plan-evaluation"].caching_options.enable_cache
    (loop,) = (c for name, c in spec.components.items() if name.startswith("comp-for-loop"))
    assert list(loop.dag.tasks) == ["answer-questions"]
    executors = evaluate_documents[0]["deploymentSpec"]["executors"]
    gpus = {name for name, one in executors.items() if "accelerator" in one["container"].get("resources", {})}
    assert gpus == {"exec-answer-questions"}
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


def test_sampling_scoring_and_confidence_run_in_parallel_shards(spec):
    loops = [c for name, c in spec.components.items() if name.startswith("comp-for-loop")]
    assert len(loops) == 1
    assert {"sample-candidates", "score-alignment", "score-confidence"} <= set(loops[0].dag.tasks)


def test_pure_stages_are_cached_and_what_looks_outside_is_not(spec):
    tasks = dict(spec.root.dag.tasks.items())
    assert not tasks["preflight"].caching_options.enable_cache
    for name in ("prepare-prompts", "combine-scores", "select-pairs", "train-dpo"):
        assert tasks[name].caching_options.enable_cache, name
    register = next(c for n, c in spec.components.items() if n.startswith("comp-condition"))
    assert not register.dag.tasks["register-adapter"].caching_options.enable_cache


def test_defaults_in_the_package_are_those_of_the_settings(spec):
    parameters = spec.root.input_definitions.parameters
    for name, cls in SECTIONS.items():
        assert cls.from_mapping(json_format.MessageToDict(parameters[name].default_value)) == cls()


def test_no_secret_and_no_path_of_this_machine_is_compiled_in(package):
    text = package.read_text()
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
