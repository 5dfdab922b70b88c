"""The champion over HTTP, as `mlflow models serve` brings it up, beside the same version in this process."""

import base64
import io
import os
import random
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from PIL import Image

from groundtune.promotion.champions import Champions
from groundtune.promotion.registry import register
from groundtune.settings import RegistrySettings
from tests.servers import MlflowServer, Server, free_port
from tests.tiny_checkpoints import tiny_adapter

FILE = str(Path(__file__).parents[3] / "docs" / "images" / "report.png")  # one that the server could read
INSTRUCTIONS = ("Describe this image.", "Is there a cat in the image?", "What is in the picture?")
TOKENS = 8
PATIENCE = 120  # seconds a request


def png(size: tuple[int, int] = (40, 28), spots: int = 0, seed: int = 0) -> str:
    """Base64 of a red picture with `spots` pixels of other colours."""
    rng = random.Random(seed)
    picture = Image.new("RGB", size, (200, 30, 30))
    for _ in range(spots):
        picture.putpixel((rng.randrange(size[0]), rng.randrange(size[1])), tuple(rng.choices(range(256), k=3)))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def named_too_long() -> str:
    """A picture whose base64, read as a path, has a name that no file system takes."""
    tried = (png(spots=40, seed=seed) for seed in range(1000))
    return next(text for text in tried if len(text) <= 1024 and max(map(len, text.split("/"))) > 255)


@dataclass
class ServingServer(Server):
    """MLflow's scoring server with one model."""

    uri: str = ""

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/ping", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def ask(self, image: str, instruction: str, tokens: int = TOKENS) -> requests.Response:
        rows = {"columns": ["image", "instruction"], "data": [[image, instruction]]}
        body = {"dataframe_split": rows, "params": {"max_new_tokens": tokens}}
        return requests.post(f"{self.uri}/invocations", json=body, timeout=PATIENCE)

    def answer(self, image: str, instruction: str) -> str:
        response = self.ask(image, instruction)
        assert response.status_code == 200, response.text
        (row,) = response.json()["predictions"]
        return str(row["answer"])


@dataclass(frozen=True)
class Champion:
    """A model whose second version reigns after the first. first: the first version's answers."""

    name: str
    first: list[str]


@pytest.fixture(scope="module")
def champion(
    models: tuple[Path, Path], mlflow_session: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Champion]:
    base, adapter = models
    other = tiny_adapter(tmp_path_factory.mktemp("other") / "model", base, seed=2)
    name = f"vlm-{uuid.uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**mlflow_session.variables, "GROUNDTUNE_RUN_ID": name}.items():
            patch.setenv(variable, value)
        one, two = (register(made, str(base), None, RegistrySettings(name)).version for made in (adapter, other))
        champions = Champions(name)
        reign = champions.promote(one, None, "the first")
        first = in_this_process(name)
        champions.promote(two, reign, "better")
        yield Champion(name, first)


@pytest.fixture(scope="module")
def server(
    champion: Champion, mlflow_session: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServingServer]:
    scripts, port = Path(sys.executable).parent, free_port()
    folder = tmp_path_factory.mktemp("server")
    served = ServingServer(folder, [], ready=lambda: served.answers(), uri=f"http://127.0.0.1:{port}")
    served.environment = {
        **mlflow_session.variables,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",  # mlflow looks for uvicorn
        "PYTHONPATH": "",
    }
    served.command = [
        str(scripts / "mlflow"), "models", "serve", f"--model-uri=models:/{champion.name}@champion",
        "--env-manager=local", "--host=127.0.0.1", f"--port={port}",
    ]  # fmt: skip
    served.start()
    yield served
    served.kill()


def in_this_process(name: str) -> list[str]:
    """The champion's answers, by a fresh load."""
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    rows = pd.DataFrame({"image": [png()] * len(INSTRUCTIONS), "instruction": INSTRUCTIONS})
    return list(model.predict(rows, params={"max_new_tokens": TOKENS})["answer"])


def test_the_champion_serves_over_http_what_it_answers_here_and_a_rollback_brings_the_old_answers_back(
    champion: Champion, server: ServingServer, mlflow_uri: str
) -> None:
    second = in_this_process(champion.name)
    assert second != champion.first, "the versions differ in what they say"
    assert [server.answer(png(), instruction) for instruction in INSTRUCTIONS] == second
    with ThreadPoolExecutor(len(INSTRUCTIONS)) as pool:
        asked = list(pool.map(lambda instruction: server.answer(png(), instruction), INSTRUCTIONS * 4))
    assert asked == second * 4, "requests at the same moment do not disturb each other"

    Champions(champion.name).rollback("worse in use")
    assert in_this_process(champion.name) == champion.first
    assert server.answer(png(), INSTRUCTIONS[0]) == second[0], "a server keeps the version that it began with"


@pytest.mark.parametrize(
    ("image", "instruction", "problem"),
    [
        ("no/such.png", INSTRUCTIONS[0], 'row 0": image: "no/such.png" is no base64'),
        (FILE, INSTRUCTIONS[0], f'row 0": image: "{FILE[:60]}" is no base64'),
        (base64.b64encode(b"no picture").decode(), INSTRUCTIONS[0], 'row 0": image: "image" is not a readable image'),
        (png(), "What is <image>?", 'row 0": instruction: contains the image token'),
    ],
    ids=["no such file", "a file of the server", "no picture", "image token"],
)
def test_what_cannot_be_answered_is_an_error_that_names_it_and_the_server_goes_on(
    server: ServingServer, image: str, instruction: str, problem: str
) -> None:
    before = server.answer(png(), INSTRUCTIONS[0])
    refused = server.ask(image, instruction)
    assert refused.status_code == 400 and problem in refused.json()["message"], refused.text
    assert server.answer(png(), INSTRUCTIONS[0]) == before


def test_a_wrong_setting_is_named_too(server: ServingServer) -> None:
    refused = server.ask(png(), INSTRUCTIONS[0], tokens=0)
    assert refused.status_code == 400 and "setting 'max_new_tokens' is 0" in refused.json()["message"]


def test_a_small_picture_whose_base64_no_file_could_be_named_is_read(server: ServingServer) -> None:
    assert server.answer(named_too_long(), INSTRUCTIONS[0])
