"""The progress line of a comparison: what this run trained and its cache kept, not what other settings left."""

import logging
import re
import time
from pathlib import Path

import pytest

from groundtune.tracking.ledger import noted
from pipelines import watching


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What the watcher prints next."""
    for _ in range(500):
        if out := capsys.readouterr().out:
            return out
        time.sleep(0.02)
    raise AssertionError("nothing was printed for ten seconds")


def test_trainings_of_this_run_and_kept_ones_are_counted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GROUNDTUNE_STATE", str(tmp_path))
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "one")
    monkeypatch.setattr(watching, "EVERY", 0.01)
    caplog.set_level(logging.INFO)
    filters = list(logging.getLogger().filters)
    with noted("train_method m3po 0", fixed=True):
        pass  # an earlier run, with other settings
    with watching.told_how_far(["m3po 0", "m3po 1", "sft 0", "sft 1"]):
        logging.info("Task train-method cache hit (key=0123456789ab); skipping execution.")
        logging.info("Task evaluate cache hit (key=0123456789ab); skipping execution.")
        time.sleep(0.2)
        assert capsys.readouterr().out == "", "what is kept has a line with the first that is trained"
        for method in ("train_method m3po 0", "evaluate m3po 0"):
            with noted(method, fixed=True):
                pass
        (line,) = printed(capsys).splitlines()
        assert re.match(r"compare +\[#+\.+\] 2/4 methods trained ", line)
        with pytest.raises(ValueError, match="no pairs"), noted("train_method sft 0", fixed=True):
            raise ValueError("no pairs")
        time.sleep(0.1)
    assert capsys.readouterr().out == ""
    assert logging.getLogger().filters == filters
