"""The lease: one holder at a time, outlived by others when it dies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from groundtune.errors import LeaseError
from groundtune.rounds.lease import Lease, Leases


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(tmp_path: Path, clock: Clock) -> Leases:
    return Leases(str(tmp_path / "rounds"), clock)


def test_a_free_lease_is_taken_and_given_back(leases: Leases) -> None:
    assert leases.held() is None
    mine = leases.take("run-1", 2)
    assert leases.held() == mine
    with pytest.raises(LeaseError, match="run-1 is retraining, until 2026-11-22 05:00 UTC"):
        leases.take("run-2", 2)
    leases.release("run-2")
    assert leases.held() == mine, "only its holder gives it back"
    leases.release("run-1")
    assert leases.held() is None
    assert leases.take("run-2", 2).generation == mine.generation + 1


def test_a_task_that_is_tried_again_renews_its_lease(leases: Leases, clock: Clock) -> None:
    first = leases.take("run-1", 2)
    clock.now += timedelta(hours=1)
    again = leases.take("run-1", 2)
    assert again.until == first.until + timedelta(hours=1)
    assert leases.held() == again


def test_a_holder_that_died_is_outlived_and_finds_out(leases: Leases, clock: Clock) -> None:
    leases.take("run-1", 2)
    clock.now += timedelta(hours=2)
    assert leases.held() is None
    second = leases.take("run-2", 2)
    with pytest.raises(LeaseError, match="run-2 is retraining, until 2026-11-22 07:00 UTC"):
        leases.take("run-1", 2)
    leases.release("run-1")
    assert leases.held() == second


def test_of_many_that_find_it_free_exactly_one_takes_it(tmp_path: Path) -> None:
    for number in range(20):
        root, together = str(tmp_path / str(number)), Barrier(6)

        def take(holder: str, root: str = root, together: Barrier = together) -> Lease | None:
            together.wait()
            try:
                return Leases(root).take(holder, 1)
            except LeaseError:
                return None

        with ThreadPoolExecutor(6) as pool:
            taken = [lease for lease in pool.map(take, [f"run-{n}" for n in range(6)]) if lease]
        assert len(taken) == 1
        assert Leases(root).held() == taken[0]
