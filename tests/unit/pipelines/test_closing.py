"""The last words of a run."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.closing import tables_words


@pytest.mark.parametrize("store", ["https://{}@mlflow.example", "postgresql://{}@db/mlflow"])
def test_the_last_words_hold_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.format("ann:s3same"))
    (tmp_path / "outputs").mkdir()
    outputs = {name: SimpleNamespace(path=tmp_path / "outputs" / name) for name in ("page", "summary", "tables")}
    for output in outputs.values():
        output.path.write_text("x")
    words = tables_words(outputs, tmp_path)
    assert store.format("***") in words and "s3same" not in words and "ann" not in words.partition("MLflow")[2]
