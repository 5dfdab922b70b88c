"""Rounds and lease in a real S3 store: what is created once there is created once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from groundtune import storage
from groundtune.errors import LeaseError
from groundtune.prompts.formats import read_rows
from groundtune.rounds.intake import DONE, FAILED, Round, Rounds
from groundtune.rounds.lease import Leases

AT_ONCE = 5


def put(inbox: str, name: str, folder: Path, *numbers: int) -> None:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({"id": f"p{n}", "image": "i.png", "instruction": "?"}) + "\n" for n in numbers))
    storage.publish_file(file, storage.join(inbox, name))


def ids(one: Round | None, folder: Path) -> list[str]:
    assert one is not None
    return [row.fields["id"] for row in read_rows(storage.fetch_file(one.rows, folder / "taken.parquet"))]


def test_rows_of_a_prefix_are_taken_once_and_those_of_a_failed_round_again(bucket: str, tmp_path: Path) -> None:
    inbox, rounds = storage.join(bucket, "inbox"), Rounds(storage.join(bucket, "rounds"))
    put(inbox, "a.jsonl", tmp_path, 1, 2)
    first = rounds.open(inbox)
    assert ids(first, tmp_path) == ["p1", "p2"]
    assert first is not None and rounds.end(first, FAILED) == FAILED
    put(inbox, "a.jsonl", tmp_path, 3)  # rewritten: what failed is only in the round now
    second = rounds.open(inbox)
    assert ids(second, tmp_path) == ["p1", "p2", "p3"]
    assert second is not None and rounds.end(second, DONE) == DONE
    assert rounds.open(inbox) is None


def test_runs_that_open_a_round_at_the_same_moment_open_the_same(bucket: str, tmp_path: Path) -> None:
    inbox, root = storage.join(bucket, "inbox"), storage.join(bucket, "rounds")
    put(inbox, "a.jsonl", tmp_path, 1, 2)
    together = Barrier(AT_ONCE)

    def open_one(_: int) -> Round | None:
        together.wait()
        return Rounds(root).open(inbox)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        opened = list(pool.map(open_one, range(AT_ONCE)))
    assert opened[0] is not None
    assert opened == [opened[0]] * AT_ONCE
    Rounds(root).end(opened[0], DONE)
    left = {name.split("/")[1] for name in storage.list_files(root)}
    assert left == {"begun.json", "ended.json", opened[0].claim}, "what the slower ones gathered is gone"


def test_of_runs_that_want_the_lease_at_the_same_moment_one_gets_it(bucket: str) -> None:
    together = Barrier(AT_ONCE)

    def take(number: int) -> bool:
        together.wait()
        try:
            Leases(bucket).take(f"run-{number}", 1)
        except LeaseError:
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(take, range(AT_ONCE))) == 1
    held = Leases(bucket).held()
    assert held is not None
    Leases(bucket).release(held.holder)
    assert Leases(bucket).held() is None
