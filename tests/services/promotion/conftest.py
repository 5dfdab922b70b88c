"""What is registered: a tiny checkpoint with an adapter, under a name of the test's own."""

import json
import uuid
from pathlib import Path

import pytest

from tests.tiny_checkpoints import tiny_adapter, tiny_llava


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(base checkpoint, adapter), with equal folder names, as two pipeline tasks may produce."""
    root = tmp_path_factory.mktemp("models")
    base = tiny_llava(root / "base" / "model")
    adapter = tiny_adapter(root / "adapter" / "model", base)
    parents = {"pairs": "a" * 64, "model": "b" * 64}
    (adapter / "manifest.json").write_text(json.dumps({"settings": {"beta": 0.1}, "parents": parents}))
    return base, adapter


@pytest.fixture
def name(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model name of this test alone; run and experiment too."""
    unique = f"vlm-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", unique)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", unique)
    return unique
