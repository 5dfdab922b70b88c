"""Intake: what arrives is taken by exactly one round that is done, whatever is written, killed or started when."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.prompts.formats import ReadRow, read_rows
from groundtune.rounds import intake
from groundtune.rounds.intake import DONE, FAILED, Round, Rounds


def row(number: int, **other: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "image": f"{number}.png", "instruction": "What is here?", **other}


def put(inbox: Path, name: str, *rows: Any) -> Path:
    file = inbox / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in rows))
    return file


def taken(one: Round) -> list[ReadRow]:
    return list(read_rows(Path(one.rows)))


def ids(one: Round | None) -> list[str]:
    assert one is not None
    return [read.fields["id"] for read in taken(one) if not read.error]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    return Rounds(str(tmp_path / "rounds"))


def test_a_round_takes_what_is_new_and_the_next_one_what_came_since(rounds: Rounds, inbox: Path) -> None:
    put(inbox, "monday.jsonl", row(1), row(2))
    first = rounds.open(str(inbox))
    assert first is not None and (first.number, first.new, first.again) == (1, 2, 0)
    assert ids(first) == ["p1", "p2"]
    assert rounds.end(first, DONE) == DONE
    assert rounds.open(str(inbox)) is None

    put(inbox, "late/sunday.jsonl", row(3), row(1))  # an older day's file that comes late, with a row of Monday's
    put(inbox, "monday.jsonl", row(4), row(2), row(1))  # rewritten: one more, in another order
    second = rounds.open(str(inbox))
    assert second is not None and (second.number, second.new, second.again) == (2, 2, 3)
    assert sorted(ids(second)) == ["p3", "p4"]


def test_a_round_that_was_not_ended_is_gone_on_with(rounds: Rounds, inbox: Path) -> None:
    put(inbox, "a.jsonl", row(1))
    first = rounds.open(str(inbox))
    put(inbox, "b.jsonl", row(2))
    assert Rounds(rounds.root).open(str(inbox)) == first
    assert first is not None
    rounds.end(first, DONE)
    assert ids(rounds.open(str(inbox))) == ["p2"]


def test_the_rows_of_a_failed_round_come_again_even_when_their_file_is_gone(rounds: Rounds, inbox: Path) -> None:
    file = put(inbox, "a.jsonl", row(1), row(2))
    first = rounds.open(str(inbox))
    assert first is not None
    rounds.end(first, FAILED, "the node was lost")
    file.unlink()
    put(inbox, "b.jsonl", row(2), row(3))
    second = rounds.open(str(inbox))
    assert ids(second) == ["p1", "p2", "p3"]
    assert second is not None
    rounds.end(second, DONE)
    assert rounds.open(str(inbox)) is None


def test_how_a_round_ended_is_said_once(rounds: Rounds, inbox: Path) -> None:
    put(inbox, "a.jsonl", row(1))
    first = rounds.open(str(inbox))
    assert first is not None
    assert rounds.end(first, DONE) == DONE
    assert rounds.end(first, FAILED) == DONE
    with pytest.raises(SettingError, match="a round's end"):
        rounds.end(first, "over")


def test_too_little_begins_no_round_and_stays(rounds: Rounds, inbox: Path) -> None:
    put(inbox, "a.jsonl", row(1), row(1))
    assert rounds.open(str(inbox), minimum=2) is None
    assert rounds.last() is None
    put(inbox, "b.jsonl", row(2))
    assert ids(rounds.open(str(inbox), minimum=2)) == ["p1", "p2"]
    assert Rounds(str(inbox / "none")).open(str(inbox / "empty")) is None


def test_rows_and_files_that_cannot_be_read_are_taken_with_their_reasons(rounds: Rounds, inbox: Path) -> None:
    put(inbox, "deep/a.jsonl", row(1), "{half\n", row(2))
    (inbox / "broken.parquet").write_bytes(b"no parquet")
    put(inbox, ".hidden.jsonl", row(8))
    put(inbox, ".tmp/b.jsonl", row(9))
    (inbox / "picture.png").write_bytes(b"png")
    first = rounds.open(str(inbox))
    assert first is not None and (first.new, first.unreadable) == (4, 2)
    assert ids(first) == ["p1", "p2"]
    problems = {read.place: str(read.error) for read in taken(first) if read.error}
    assert "not JSON" in problems["deep__a.jsonl:2"]
    assert "a Parquet file" in problems["broken.parquet"]
    rounds.end(first, DONE)
    assert rounds.open(str(inbox)) is None, "a bad file is refused once, not in every round"


def test_rows_come_out_as_they_were_read(rounds: Rounds, inbox: Path) -> None:
    """Embedded images, other columns, half a character and wrong types: judging is prepare's business."""
    put(inbox, "a.jsonl", row(1, tags="not a list", instruction=7), '{"id": "\\ud800", "image": "x.png"}\n')
    table = pa.table({"id": [1], "image": [b"\x89PNG"], "instruction": ["What?"], "score": [0.5]})
    pq.write_table(table, inbox / "b.parquet")
    first = rounds.open(str(inbox))
    assert first is not None
    found = [read.fields for read in taken(first)]
    whole = [read.fields for name in ("a.jsonl", "b.parquet") for read in read_rows(inbox / name)]
    assert found == whole
    rounds.end(first, DONE)
    pq.write_table(table, inbox / "copy.parquet")
    assert rounds.open(str(inbox)) is None


def test_a_row_without_an_id_is_known_by_its_content(rounds: Rounds, inbox: Path) -> None:
    preference = {"image": "1.png", "prompt": "What?", "chosen": "A cup.", "rejected": "A dog."}
    put(inbox, "a.jsonl", preference)
    first = rounds.open(str(inbox))
    assert first is not None
    rounds.end(first, DONE)
    put(inbox, "a.jsonl", {**preference, "chosen": "A red cup."}, preference)
    second = rounds.open(str(inbox))
    assert second is not None and (second.new, second.again) == (1, 1)


def test_a_file_that_is_rewritten_while_it_is_read_is_read_again(
    rounds: Rounds, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(inbox, "a.jsonl", row(1))
    fetch = storage.fetch_file

    def rewritten(uri: str, target: Path) -> Path:
        put(inbox, "a.jsonl", row(1), row(2))
        return fetch(uri, target)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(storage, "fetch_file", rewritten)
        first = rounds.open(str(inbox))
    assert ids(first) == ["p1", "p2"]
    assert first is not None
    rounds.end(first, DONE)
    put(inbox, "a.jsonl", row(1), row(2), row(3))
    assert ids(rounds.open(str(inbox))) == ["p3"]


def test_a_file_that_is_taken_away_while_others_are_read_is_not_missed(
    rounds: Rounds, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(inbox, "a.jsonl", row(1))
    put(inbox, "b.jsonl", row(2))
    fetch = storage.fetch_file

    def gone(uri: str, target: Path) -> Path:
        (inbox / "b.jsonl").unlink(missing_ok=True)
        return fetch(uri, target)

    monkeypatch.setattr(storage, "fetch_file", gone)
    assert ids(rounds.open(str(inbox))) == ["p1"]


def test_who_is_overtaken_by_a_whole_round_begins_the_next_one(
    rounds: Rounds, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(inbox, "a.jsonl", row(1))
    publish = storage.publish_once

    def overtaken(content: bytes, uri: str) -> bool:
        monkeypatch.setattr(storage, "publish_once", publish)
        other = Rounds(rounds.root).open(str(inbox))
        assert other is not None
        rounds.end(other, DONE)
        put(inbox, "b.jsonl", row(2))
        return publish(content, uri)

    monkeypatch.setattr(storage, "publish_once", overtaken)
    second = rounds.open(str(inbox))
    assert second is not None and second.number == 2
    assert ids(second) == ["p2"]


def test_rounds_below_the_inbox_are_refused(inbox: Path) -> None:
    with pytest.raises(SettingError, match="outside the inbox"):
        Rounds(str(inbox / "rounds")).open(str(inbox))


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_after(calls: int, done: bool) -> Iterator[None]:
    """Killed at one of the next calls of the store; `done`: after its effect, else before it."""
    left = calls
    names = ("publish_file", "publish_once", "remove", "read_bytes", "list_files")
    before = {name: getattr(storage, name) for name in names}

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0 and not done:
                raise Killed
            found = act(*given)
            if left < 0:
                raise Killed
            return found

        return call

    for name, act in before.items():
        setattr(storage, name, counted(act))
    try:
        yield
    except Killed:
        pass
    finally:
        for name, act in before.items():
            setattr(storage, name, act)


SEQUENCES = settings(
    max_examples=200, stateful_step_count=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FIRST_FAILURE = settings(SEQUENCES, phases=[Phase.generate], report_multiple_bugs=False)
NAMES = st.sampled_from(["a.jsonl", "b.jsonl", "deep/c.jsonl"])
NUMBERS = st.lists(st.integers(0, 12), max_size=4)


class Arrivals(RuleBasedStateMachine):
    """Files come, change and go; rounds are opened, killed and ended. A row is a number."""

    @initialize()
    def begin(self) -> None:
        self._folder = TemporaryDirectory()
        self.inbox = Path(self._folder.name) / "inbox"
        self.rounds = Rounds(str(Path(self._folder.name) / "rounds"))
        self.files: dict[str, list[int]] = {}
        self.done: Counter[int] = Counter()
        self.owed: set[int] = set()  # of rounds that were begun and are not done: their files may be gone

    @rule(name=NAMES, numbers=NUMBERS)
    def arrives_or_is_rewritten(self, name: str, numbers: list[int]) -> None:
        put(self.inbox, name, *[row(number) for number in numbers])
        self.files[name] = numbers

    @rule(name=NAMES, number=st.integers(0, 12))
    def grows(self, name: str, number: int) -> None:
        self.arrives_or_is_rewritten(name, [*self.files.get(name, []), number])

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        (self.inbox / name).unlink()
        del self.files[name]

    @rule()
    def opens(self) -> None:
        self._opened(self.rounds.open(str(self.inbox)))

    @rule(calls=st.integers(0, 9), done=st.booleans())
    def is_killed_while_opening(self, calls: int, done: bool) -> None:
        with killed_after(calls, done):
            self.rounds.open(str(self.inbox))
        last = self.rounds.last()
        if last is not None and not last.ended:
            self._opened(last)

    @rule(state=st.sampled_from([DONE, DONE, FAILED]))
    def ends(self, state: str) -> None:
        last = self.rounds.last()
        if last is not None and not last.ended:
            self._ended(last, self.rounds.end(last, state))

    @rule(state=st.sampled_from([DONE, FAILED]), calls=st.integers(0, 4), done=st.booleans())
    def is_killed_while_ending(self, state: str, calls: int, done: bool) -> None:
        last = self.rounds.last()
        if last is None or last.ended:
            return
        with killed_after(calls, done):
            self.rounds.end(last, state)
        now = self.rounds.last()
        assert now is not None
        if now.ended:
            self._ended(now, now.ended)

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert not [number for number, times in self.done.items() if times > 1]

    def teardown(self) -> None:
        """Left in peace, two more rounds finish what there is."""
        for _ in range(2):
            one = self.rounds.open(str(self.inbox))
            if one is not None:
                self._opened(one)
                self._ended(one, self.rounds.end(one, DONE))
        assert self.rounds.open(str(self.inbox)) is None
        self.nothing_is_done_twice()
        wanted = {number for numbers in self.files.values() for number in numbers} | self.owed
        assert wanted <= set(self.done), "nothing is skipped"
        self._folder.cleanup()

    def _opened(self, one: Round | None) -> None:
        if one is not None:
            found = [int(name[1:]) for name in ids(one)]
            assert len(found) == len(set(found)) == one.new
            assert self.owed <= set(found), "what failed comes again"
            self.owed |= set(found)

    def _ended(self, one: Round, state: str) -> None:
        if state == DONE:
            found = [int(name[1:]) for name in ids(one)]
            self.done.update(found)
            self.owed -= set(found)


TestArrivals = pytest.mark.timeout(300)(Arrivals.TestCase)
TestArrivals.settings = SEQUENCES


def test_the_machine_would_notice_a_row_that_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rounds, "_known", lambda self, last: (set(), {}))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Arrivals, settings=FIRST_FAILURE)


def test_the_machine_would_notice_a_row_that_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake._Gathered, "carried", lambda self, failed, folder: iter(()))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Arrivals, settings=FIRST_FAILURE)
