"""kfp's own commands take our packages: `kfp run create`, its older name `submit`, pipelines and recurring runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kfp_server import State
from tests.services.submission.conftest import S3

pytestmark = pytest.mark.pipeline
KFP = str(Path(sys.executable).parent / "kfp")
PARAMETERS = [
    f"prompts={S3}p.jsonl",
    f"images_root={S3}",
    f"model={S3}llava",
    f'scorers={{"contrastive": "{S3}clip"}}',
    f"benchmarks_root={S3}b",
    'training={"epochs": 2}',
    "register=true",
]


def kfp(api: tuple[str, State], home: Path, *command: str) -> str:
    api[1].token = ""
    environment = {**os.environ, "HOME": str(home)}  # kfp keeps a context there
    done = subprocess.run(
        [KFP, "--endpoint", api[0], "--output", "json", *command],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["create", "submit"])
def test_a_run_starts_from_the_package(api: tuple[str, State], compiled: Path, tmp_path: Path, command: str) -> None:
    kfp(api, tmp_path, "run", command, "-e", "groundtune", "-r", "mine", "-f", str(compiled), *PARAMETERS)
    (request,) = api[1].made("RunService_CreateRun")
    given = request.body["runtime_config"]["parameters"]
    assert given["scorers"] == {"contrastive": f"{S3}clip"} and given["training"] == {"epochs": 2}
    assert given["register"] is True and given["model"] == f"{S3}llava"


def test_a_parameter_without_default_is_missed(api: tuple[str, State], compiled: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="parameter model is missing"):
        kfp(api, tmp_path, "run", "create", "-e", "g", "-f", str(compiled), *PARAMETERS[:2], *PARAMETERS[3:])


def test_the_package_becomes_a_pipeline_and_a_recurring_run(
    api: tuple[str, State], compiled: Path, tmp_path: Path
) -> None:
    kfp(api, tmp_path, "pipeline", "create", "-p", "groundtune-align", str(compiled))
    (pipeline,) = api[1].pipelines.values()
    assert pipeline["specification"]["pipelineInfo"]["name"] == "groundtune-align"
    listed = json.loads(kfp(api, tmp_path, "pipeline", "list"))
    assert "groundtune-align" in str(listed)
    timing = ["--enabled", "--cron-expression", "0 0 3 * * *"]
    named = ["--job-name", "nightly", "--experiment-name", "groundtune", "--pipeline-package-path", str(compiled)]
    kfp(api, tmp_path, "recurring-run", "create", *timing, *named, *PARAMETERS)
    (schedule,) = api[1].recurring.values()
    assert schedule["display_name"] == "nightly" and schedule["mode"] == "ENABLE"
