"""Rows of several files in one round: an id that repeats loses no row."""

import json
from pathlib import Path

from groundtune.prompts.formats import read_rows
from groundtune.prompts.kept_rows import record_digest
from groundtune.rounds.intake import DONE, FAILED, Rounds


def write(inbox: Path, name: str, *rows: dict[str, str]) -> None:
    file = inbox / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(identity: str, instruction: str) -> dict[str, str]:
    return {"id": identity, "image": "a.png", "instruction": instruction}


def test_two_files_that_both_number_from_nought_lose_nothing(tmp_path: Path) -> None:
    write(tmp_path / "inbox", "week-1.jsonl", row("0", "one"), row("1", "two"))
    write(tmp_path / "inbox", "week-2.jsonl", row("0", "three"), row("1", "two"))
    rounds = Rounds(str(tmp_path / "rounds"))
    opened = rounds.open(str(tmp_path / "inbox"))
    assert opened is not None and (opened.new, opened.again) == (3, 1)
    read = list(read_rows(Path(opened.rows)))
    assert [one.fields["instruction"] for one in read] == ["one", "two", "three"]
    name, _, digest = read[2].fields["id"].partition("~")
    assert [one.fields["id"] for one in read[:2]] == ["0", "1"] and name == "0" and len(digest) == 8


def test_a_row_that_was_corrected_after_a_failure_comes_beside_the_old_one_and_neither_comes_again(
    tmp_path: Path,
) -> None:
    inbox, rounds = tmp_path / "inbox", Rounds(str(tmp_path / "rounds"))
    write(inbox, "p.jsonl", row("p1", "wrong"))
    failed = rounds.open(str(inbox))
    assert failed is not None
    rounds.end(failed, FAILED)
    write(inbox, "p.jsonl", row("p1", "right"))
    for end in (FAILED, DONE):
        opened = rounds.open(str(inbox))
        assert opened is not None and opened.new == 2
        read = list(read_rows(Path(opened.rows)))
        assert [one.fields["instruction"] for one in read] == ["wrong", "right"]
        assert len({one.fields["id"] for one in read}) == 2
        rounds.end(opened, end)
    assert rounds.open(str(inbox)) is None


def test_a_kept_row_has_the_digest_of_the_row_that_arrived(tmp_path: Path) -> None:
    assert record_digest(("a:1", row("x", "one"), None)) != record_digest(("a:1", row("x", "two"), None))


def test_a_file_of_any_name_and_one_that_nobody_can_read_stand_in_no_others_way(tmp_path: Path) -> None:
    deep = "/".join(["source=" + "x" * 90] * 3)
    write(tmp_path / "inbox", f"{deep}/part.jsonl", row("0", "one"))
    (tmp_path / "inbox" / "nested.json").write_text("[" * 100_000)
    opened = Rounds(str(tmp_path / "rounds")).open(str(tmp_path / "inbox"))
    assert opened is not None and (opened.new, opened.unreadable) == (2, 1)
    assert [one.error is None for one in read_rows(Path(opened.rows))].count(True) == 1
