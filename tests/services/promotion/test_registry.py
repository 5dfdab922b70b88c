"""The registry round trip on a real MLflow server."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.errors import SettingError, TrackingError
from groundtune.promotion.registry import RegisteredVersion, register, run
from groundtune.settings import RegistrySettings
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.sampling import Decoding
from tests.servers import free_port
from tests.tiny_checkpoints import tiny_llava

TOKENS = 12
INSTRUCTION = "What is in the picture?"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (40, 28), (200, 30, 30)).save(file)
    return file


@pytest.fixture
def evaluation(tmp_path: Path) -> Artifact:
    writer = ArtifactWriter(tmp_path / "answers", "answers", {"interval": 0.95}, {"model": "m"})
    row = {"benchmark": "pope", "question_id": "1", "image": "a.png", "question": "q", "truth": "yes"}
    writer.write_part(0, [{**row, "answer": "yes", "parsed": "yes", "correct": True}])
    metrics = {"f1": {"value": 0.8123, "low": 0.79, "high": 0.83}}
    results = {"benchmarks": {"pope": {"metrics": metrics, "questions": 1, "images": 1}}, "means": {}}
    return writer.finish(1, results=lambda _: results)


def direct_answer(models: tuple[Path, Path], picture: Path) -> str:
    vlm = load_vlm(models[0], adapter=models[1])
    prefix = encode_prefix(vlm, "direct", INSTRUCTION, Image.open(picture))
    decoding = Decoding(max_new_tokens=TOKENS, temperature=0.0, top_p=1.0, samples=1)
    text = generate(vlm, [prefix], decoding, [0])[0][0].text
    assert text
    return text


# What a team that pulls the champion does: no checkout, no installed groundtune, only MLflow and its requirements.
_CONSUMER = """
import base64, importlib.util, pathlib, sys
sys.path[:] = [path for path in sys.path if not (pathlib.Path(path) / "groundtune").is_dir()]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
assert importlib.util.find_spec("groundtune") is None, "groundtune must come with the model"
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
image = base64.b64encode(pathlib.Path(sys.argv[2]).read_bytes()).decode()
rows = pandas.DataFrame({"image": [image, sys.argv[2]], "instruction": [sys.argv[3]] * 2})
answers = model.predict(rows, params={"max_new_tokens": int(sys.argv[4])})
import groundtune
print("FROM", groundtune.__file__)
for answer in answers["answer"]:
    print("ANSWER", repr(answer))
"""


def test_a_registered_version_answers_like_the_adapter_where_groundtune_is_not_installed(
    models: tuple[Path, Path], picture: Path, evaluation: Artifact, name: str, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>report</p>")
    base, adapter = models
    made = register(adapter, str(base), evaluation, RegistrySettings(name, "challenger", bundle_base=True), page)
    assert made == RegisteredVersion(name, "1", f"models:/{name}/1", made.card)

    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GROUNDTUNE_RUN_ID")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CONSUMER, f"models:/{name}@challenger", str(picture), INSTRUCTION, str(TOKENS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert "/code/groundtune/" in next(line for line in lines if line.startswith("FROM"))
    expected = repr(direct_answer(models, picture))
    assert [line for line in lines if line.startswith("ANSWER")] == [f"ANSWER {expected}"] * 2

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    version = client.get_model_version(name, "1")
    assert version.tags["groundtune.evaluation_digest"] == evaluation.digest
    assert len(version.tags["groundtune.adapter_digest"]) == len(version.tags["groundtune.base_digest"]) == 64
    for part in ("0.8123", "0.79 to 0.83", "names no licence", "beta", "a" * 64, str(base)):
        assert part in version.description
    assert adapter.with_name("model.card.md").read_text() == made.card
    run_tags = client.get_run(version.run_id).data.tags
    assert run_tags["groundtune.stage"] == "register_adapter"
    assert run_tags["registered_version"] == made.uri


def test_a_version_that_refers_to_its_base_checks_the_base_when_it_loads(
    models: tuple[Path, Path], picture: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, adapter = models
    settings = RegistrySettings(name)
    made = register(adapter, str(base), None, settings)
    again = register(adapter, str(base), None, RegistrySettings(name, "candidate"))  # a retried task
    assert again.version == made.version == "1"

    model = mlflow.pyfunc.load_model(f"models:/{name}@candidate")
    rows = pd.DataFrame({"image": [str(picture)], "instruction": [INSTRUCTION]})
    answers = model.predict(rows, params={"max_new_tokens": TOKENS})
    assert list(answers["answer"]) == [direct_answer(models, picture)]
    assert len(model.predict(model.input_example, params={"max_new_tokens": 1})) == 1
    with pytest.raises(Exception, match='row 0.*"no/such.png" is neither a file here nor base64'):
        model.predict(pd.DataFrame({"image": ["no/such.png"], "instruction": [INSTRUCTION]}))

    other = tiny_llava(tmp_path / "other", seed=5)
    monkeypatch.setenv("GROUNDTUNE_BASE_MODEL", str(other))
    with pytest.raises(Exception, match="GROUNDTUNE_BASE_MODEL"):
        mlflow.pyfunc.load_model(f"models:/{name}/1")


def test_registering_without_a_server_names_the_variable(models: tuple[Path, Path]) -> None:
    with pytest.raises(SettingError, match="MLFLOW_TRACKING_URI"):
        run(models[1], str(models[0]), "", "", {"model_name": "x"})


def test_registering_at_a_dead_server_is_a_failed_stage(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        register(models[1], str(models[0]), None, RegistrySettings("x"))
