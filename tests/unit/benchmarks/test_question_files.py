"""Question files that no program wrote on purpose: every one is refused by file and line."""

from pathlib import Path

import pytest

from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.pope import Pope
from groundtune.errors import RecordError, SettingError

LINE = '{"question_id": %s, "image": "a.jpg", "text": "%s", "label": "no"}\n'
DIGITS, DEEP = "1" * 5_000, "[" * 100_000


def files_of(folder: Path, text: str) -> QuestionFiles:
    (folder / "q.json").write_text(text)
    return QuestionFiles(str(folder / "q.json"))


@pytest.mark.parametrize("value", [DIGITS, DEEP], ids=["digits", "deep"])
def test_json_that_python_does_not_read_is_a_wrong_line(tmp_path: Path, value: str) -> None:
    good = LINE % (1, "Is there a dog?")
    with pytest.raises(RecordError, match="q.json:2 .*line: not JSON"):
        list(files_of(tmp_path, good + LINE % (value, "?")).records(id_field="question_id"))
    with pytest.raises(RecordError, match="q.json .*line: not JSON"):
        list(files_of(tmp_path, f"[{value}]" if value == DIGITS else value).records(id_field="question_id"))
    with pytest.raises(SettingError, match="q.json': expected a file of JSON"):
        files_of(tmp_path, value).json()


def test_half_a_surrogate_pair_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = LINE % (1, r"\ud83d\ude42?") + LINE % (2, r"Is it \ud83d?")
    with pytest.raises(RecordError, match='q.json:2 id="2": text: holds half of a surrogate pair'):
        Pope("pope").load(files_of(tmp_path, text))
    with pytest.raises(RecordError, match="q.json:1 .*question_id: .*half of a surrogate pair"):
        list(files_of(tmp_path, LINE % (r'"\udc00"', "?")).records(id_field="question_id"))
