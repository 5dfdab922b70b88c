"""A million candidates come through selection within 1 GB: measured on less, by what each further candidate costs."""

import json
import subprocess
import sys

from bench.made_up_scores import made_up_scores, made_up_shards

MILLION, LIMIT = 1_000_000, 1024  # candidates, MiB
_MEASURED = """
import json, sys
from bench.engine import memory
from groundtune.candidates import combine
from groundtune.preferences import selection
stage, given = sys.argv[1], json.loads(sys.argv[2])
made = {"combine": combine, "select": selection}[stage].run(*given, {})
print(len(made), memory.peak() // 2**20)
"""


def measured(stage, *given):
    """(rows that came out, largest resident memory in MiB) of a process of its own.

    Not getrusage's ru_maxrss: a process inherits it from the one that started it, here pytest with all it has loaded.
    """
    command = [sys.executable, "-c", _MEASURED, stage, json.dumps(given, default=str)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, peak = done.stdout.split()[-2:]
    return int(rows), int(peak)


def of_a_million(small, large):
    """small, large: (candidates, peak). The memory of a million, if every further candidate costs as much as these.

    What a whole part takes and `small` does not yet is counted as a cost of each candidate: the estimate errs upwards.
    """
    return small[1] + (large[1] - small[1]) / (large[0] - small[0]) * (MILLION - small[0])


def test_a_million_candidates_are_selected_from_within_a_gigabyte(tmp_path):
    found = []
    for pools in (6_250, 25_000):
        scores = made_up_scores(tmp_path / f"scores-{pools}", pools)
        pairs, peak = measured("select", scores.path, tmp_path / f"pairs-{pools}")
        assert 0.9 * pools < pairs <= pools
        found.append((len(scores), peak))
    assert of_a_million(*found) < LIMIT


def test_a_million_candidates_are_combined_within_a_gigabyte(tmp_path):
    found = []
    for pools in (1_500, 7_500):
        shards = made_up_shards(tmp_path / str(pools), pools, shards=2)
        rows, peak = measured("combine", *shards, tmp_path / f"scores-{pools}")
        assert rows == 8 * pools
        found.append((rows, peak))
    assert of_a_million(*found) < LIMIT
