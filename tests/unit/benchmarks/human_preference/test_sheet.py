"""The sheet: whole in one file, blind, the same for the same inputs; its key beside it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from groundtune.benchmarks.human_preference.key import Key, read_key
from groundtune.benchmarks.human_preference.pairs import draw_pairs
from groundtune.benchmarks.human_preference.sheet import write_sheet
from groundtune.errors import ArtifactError, RecordError, SettingError
from tests.unit.benchmarks.human_preference.sheets import HOSTILE, two_models, write_answers


def sheet(root: Path, models: list, name: str = "out", **arguments: object) -> tuple[Key, str]:
    """The key and the page's text."""
    page = root / name / "sheet.html"
    key = write_sheet(*models, str(root / "images"), page, **arguments)
    assert read_key(page.with_name("key.json")) == key
    return key, page.read_text(encoding="utf-8")


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def content(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_tells_neither_model_nor_question_nor_seed(tmp_path: Path) -> None:
    models = two_models(tmp_path, 6)
    key, page = sheet(tmp_path, models, seed=987654321)
    secrets = [model.digest for model in models] + ["987654321", "chair", "base", "aligned", str(tmp_path)]
    data = json.dumps({name: value for name, value in content(page).items() if name != "images"})
    assert not [secret for secret in secrets if secret in data]
    assert not [secret for secret in secrets[:3] if secret in page]
    assert not [pair.question_id for pair in key.pairs if f'"{pair.question_id}"' in page]
    assert {"id", "image", "question", "answers"} == {name for pair in content(page)["pairs"] for name in pair}


def test_the_key_says_which_answer_stands_first(tmp_path: Path) -> None:
    key, page = sheet(tmp_path, two_models(tmp_path, 20))
    shown = {pair["id"]: pair["answers"] for pair in content(page)["pairs"]}
    for pair in key.pairs:
        first, second = (f"{word} {pair.question_id[1:]}" for word in ("teal", "grey"))
        assert shown[pair.pair_id] == ([first, second] if pair.aligned_first else [second, first])


def test_half_of_the_aligned_answers_stand_first_in_no_order(tmp_path: Path) -> None:
    sides = [pair.aligned_first for pair in draw_pairs(*two_models(tmp_path, 40), 40, 0).pairs]
    assert sum(sides) == 20 and sides != sorted(sides) and sides != sorted(sides, reverse=True)
    assert sides != [True, False] * 20 and sides != [False, True] * 20


def test_another_seed_and_another_model_give_other_sides(tmp_path: Path) -> None:
    base, aligned = two_models(tmp_path, 40)
    other = write_answers(tmp_path, "other", [f"teal {i}." for i in range(40)])

    def sides(model: object, seed: int) -> dict[str, bool]:
        return {pair.question_id: pair.aligned_first for pair in draw_pairs(base, model, 40, seed).pairs}  # type: ignore[arg-type]

    assert sides(aligned, 0) == sides(aligned, 0)
    assert sides(aligned, 0) != sides(aligned, 1)
    assert sides(aligned, 0) != sides(other, 0), "the seed alone would tell the sides to who knows the code"


def test_the_same_inputs_write_the_same_sheet(tmp_path: Path) -> None:
    models = two_models(tmp_path, 5)
    assert sheet(tmp_path, models, "one") == sheet(tmp_path, models, "two")


def test_equal_answers_are_left_out_and_counted(tmp_path: Path) -> None:
    key, page = sheet(tmp_path, two_models(tmp_path, 10, same=[1, 4, 7]), number=99)
    assert (len(key.pairs), len(key.identical)) == (7, 3)
    assert {pair.question_id for pair in key.identical} == {"c1", "c4", "c7"}
    assert "text 4" not in page


def test_as_many_pairs_as_asked_for_are_shown(tmp_path: Path) -> None:
    key, page = sheet(tmp_path, two_models(tmp_path, 12, same=[0, 1, 2, 3]), number=5)
    assert len(key.pairs) == 5 == len(content(page)["pairs"])
    assert len(key.identical) <= 4


def test_only_open_questions_are_asked(tmp_path: Path) -> None:
    key, page = sheet(tmp_path, two_models(tmp_path, 4))
    assert {pair.benchmark for pair in key.pairs} == {"chair"} and "Is there a dog" not in page


def test_the_page_is_whole_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    _, page = sheet(tmp_path, two_models(tmp_path, 4, questions_an_image=2))
    assert not [tag for tag in Tags(page).seen if tag[0] in ("link", "iframe", "object", "embed", "base")]
    assert not [attributes for _, attributes in Tags(page).seen if {"src", "href", "srcset"} & attributes.keys()]
    policy = next(a["content"] for t, a in Tags(page).seen if t == "meta" and "http-equiv" in a)
    assert policy and policy.startswith("default-src 'none'; img-src data:")
    data = content(page)
    assert len(data["images"]) == 2, "an image that two pairs ask about is embedded once"
    assert all(image["uri"].startswith("data:image/") for image in data["images"])


def test_a_models_text_never_becomes_markup(tmp_path: Path) -> None:
    base = write_answers(tmp_path, "base", [HOSTILE])
    aligned = write_answers(tmp_path, "aligned", ["A dog."])
    _, page = sheet(tmp_path, [base, aligned], title=HOSTILE)
    assert sum(tag == "script" for tag, _ in Tags(page).seen) == 2
    assert HOSTILE.strip() in content(page)["pairs"][0]["answers"] and "{{ 7 * 7 }}" in page


def test_every_control_has_a_name_that_a_screen_reader_says(tmp_path: Path) -> None:
    _, page = sheet(tmp_path, two_models(tmp_path, 2))
    named = {a.get("for") for tag, a in Tags(page).seen if tag == "label"}
    assert {a["id"] for tag, a in Tags(page).seen if tag == "input"} <= named
    assert all(a.get("alt") for tag, a in Tags(page).seen if tag == "img")
    assert 'lang="en"' in page and "aria-live" in page


def test_questions_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    base, _ = two_models(tmp_path, 3)
    shorter = write_answers(tmp_path, "shorter", ["teal 0", "teal 1"])
    with pytest.raises(ArtifactError, match="chair/c2.*shorter holds no answer"):
        write_sheet(base, shorter, str(tmp_path / "images"), tmp_path / "s.html")
    with pytest.raises(ArtifactError, match="same answer to all 3 questions"):
        write_sheet(base, base, str(tmp_path / "images"), tmp_path / "s.html")
    with pytest.raises(SettingError, match="number"):
        write_sheet(base, base, str(tmp_path / "images"), tmp_path / "s.html", number=0)


def test_a_picture_that_is_gone_stops_the_sheet_and_is_named(tmp_path: Path) -> None:
    models = two_models(tmp_path, 3)
    (tmp_path / "images" / "1.png").unlink()
    with pytest.raises(RecordError, match=r"chair/c1.*1\.png"):
        write_sheet(*models, str(tmp_path / "images"), tmp_path / "out" / "s.html")
    assert not (tmp_path / "out").exists()


def test_a_picture_that_was_changed_since_it_was_asked_about_stops_the_sheet(tmp_path: Path) -> None:
    models = two_models(tmp_path, 3)
    Image.new("RGB", (48, 36), (0, 0, 0)).save(tmp_path / "images" / "1.png")
    with pytest.raises(RecordError, match=r"chair/c1.*1\.png.*changed"):
        write_sheet(*models, str(tmp_path / "images"), tmp_path / "out" / "s.html")


def test_the_key_of_another_sheet_is_not_overwritten(tmp_path: Path) -> None:
    models = two_models(tmp_path, 6)
    sheet(tmp_path, models)
    before = (tmp_path / "out" / "key.json").read_text()
    with pytest.raises(ArtifactError, match="key of another sheet"):
        write_sheet(*models, str(tmp_path / "images"), tmp_path / "out" / "second.html", seed=1)
    assert (tmp_path / "out" / "key.json").read_text() == before
