"""A user's own preference data goes in as the field keeps it: RLHF-V, RLAIF-V and TRL columns, embedded images."""

import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.candidates import combine, confidence, sampling
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.images import ImageStore
from groundtune.preferences import selection
from groundtune.prompts import prepare
from tests.tiny_checkpoints import tiny_clip, tiny_llava


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("model"))


def picture(colour, kind="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, kind)
    return stream.getvalue()


def rlhf_v(number, chosen="A cup.", rejected="A cup and a spoon.", **changes):
    row = {
        "ds_name": "RLHF-V",
        "image": {"bytes": picture((number * 9 % 256, 90, 10)), "path": f"{number}.jpg"},
        "text": json.dumps({"question": "What is there?", "chosen": chosen, "rejected": rejected}),
        "idx": number,
        "image_path": f"./elsewhere/{number}.jpg",
    }
    return row | changes


def prepared(tmp_path, rows, model, suffix="parquet", **settings):
    file = tmp_path / f"data.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif suffix == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        file.write_text(json.dumps(rows))
    return prepare.run(str(file), str(tmp_path), str(model), tmp_path / "prompts", settings)


def test_rlhf_v_rows_with_embedded_images_go_in_whole(tmp_path, model):
    made = prepared(tmp_path, [rlhf_v(i) for i in range(5)], model, rows_per_part=2)
    rows = list(made.rows())
    assert [row["id"] for row in rows] == list("01234") and made.results == {"preferences": 5}
    assert {(row["instruction"], row["chosen"], row["rejected"]) for row in rows} == {
        ("What is there?", "A cup.", "A cup and a spoon.")
    }
    for number, row in enumerate(rows):
        content = ImageStore("/nowhere", attached=made.files).read(row["id"], row["image"])
        assert content == picture((number * 9 % 256, 90, 10)), "the very bytes that were embedded"
        assert row["image_sha256"] == hashlib.sha256(content).hexdigest() and row["image"].endswith(".png")
        assert "bytes" not in row


def test_flat_and_conversational_columns_say_the_same(tmp_path, model):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    flat = {"idx": 7, "image": "a.png", "question": "What?", "chosen": "A cup.", "rejected": "A dog."}
    words = [{"type": "image"}, {"type": "text", "text": "What?"}]
    trl = {
        "id": "7", "images": ["a.png"], "prompt": [{"role": "user", "content": words}],
        "chosen": [{"role": "assistant", "content": [{"type": "text", "text": "A cup."}]}],
        "rejected": [{"role": "assistant", "content": "A dog."}],
    }  # fmt: skip
    plain = {"id": "7", "image": "a.png", "prompt": "<image>\nWhat?", "chosen": "A cup. ", "rejected": "A dog."}
    found = []
    for name, row, suffix in (("a", flat, "jsonl"), ("b", trl, "json"), ("c", plain, "jsonl")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.png").write_bytes((tmp_path / "a.png").read_bytes())
        found += list(prepared(folder, [row], model, suffix).rows())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("row", "reason", "problem"),
    [
        (rlhf_v(1, chosen="Same.", rejected="Same. "), "rejected", "is the same answer as `chosen`"),
        (rlhf_v(1, rejected=""), "rejected", "is missing or empty, but the other answer is given"),
        (rlhf_v(1, chosen=5), "chosen", "is 5, expected a string"),
        (rlhf_v(1, text="no json"), "text", "is not JSON with question, chosen and rejected"),
        (rlhf_v(1, image={"bytes": b"\x89PNG broken", "path": "x"}), "image", "is not a readable image"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason_and_nothing_is_lost(tmp_path, model, row, reason, problem):
    made = prepared(tmp_path, [rlhf_v(2), row, rlhf_v(3)], model, max_rejected_share=0.5)
    assert [kept["id"] for kept in made.rows()] == ["2", "3"] and made.manifest["rows_in"] == 3
    (refused,) = made.rejected()
    assert (refused["id"], refused["reason"]) == ("1", reason)
    assert problem in refused["detail"] and "data.parquet:2" in refused["detail"]


def test_rows_as_trl_keeps_them_need_no_id(tmp_path, model):
    rows = [
        {"images": [{"bytes": picture((i, 9, 9)), "path": None}], "prompt": [{"role": "user", "content": f"What {i}?"}],
         "chosen": [{"role": "assistant", "content": "A cup."}], "rejected": [{"role": "assistant", "content": "No."}]}
        for i in range(3)
    ]  # fmt: skip
    made = prepared(tmp_path, rows, model)
    assert [row["id"] for row in made.rows()] == [f"data.parquet:{i}" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"image": "x" * 300}, "cannot be read"),
        ({"image": "data:image/png;base64,AAAA" + "A" * 500}, "data: URIs are not read"),
        ({"image": "a\0.png"}, "cannot be read"),
        ({"chosen": "A cup \ud83d"}, "holds half a character"),
        ({"chosen": {"bytes": "x" * 5000}}, "expected a string"),
    ],
)
def test_an_odd_row_never_takes_the_others_with_it(tmp_path, model, changes, problem):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    good = {"id": "a", "image": "a.png", "question": "What?", "chosen": "A cup.", "rejected": "A dog."}
    made = prepared(tmp_path, [good, {**good, "id": "b", **changes}], model, "jsonl", max_rejected_share=0.5)
    assert [row["id"] for row in made.rows()] == ["a"]
    (refused,) = made.rejected()
    assert problem in refused["detail"] and len(refused["detail"]) < 600


def test_unreadable_lines_are_counted_once_each(tmp_path, model):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    good = json.dumps({"id": "a", "image": "a.png", "question": "What?", "chosen": "A cup.", "rejected": "A dog."})
    lines = ["\ufeff" + good, "\u00a0", "[" * 100_000, '{"id": ' + "9" * 5000 + "}", ""]
    (tmp_path / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    made = prepare.run(
        str(tmp_path / "data.jsonl"), str(tmp_path), str(model), tmp_path / "p", {"max_rejected_share": 1.0}
    )
    assert [row["id"] for row in made.rows()] == ["a"] and made.manifest["rows_in"] == 3


def test_more_than_one_image_is_refused(tmp_path, model):
    row = {"id": "x", "images": ["a.png", "b.png"], "prompt": "?", "chosen": "a", "rejected": "b"}
    made = prepared(tmp_path, [row], model, "jsonl", max_rejected_share=1.0)
    assert "holds 2 images" in made.rejected()[0]["detail"]


def test_given_pairs_run_through_scoring_to_pairs(tmp_path, model):
    """They are scored like sampled answers, but neither vote nor count in the entropy of what the model would say."""
    made = prepared(tmp_path, [rlhf_v(i, chosen=f"A cup {i}.") for i in range(4)], model)
    sampled = sampling.run(
        made.path, "/nowhere", str(model), tmp_path / "candidates", {"num_candidates": 3, "max_new_tokens": 6}
    )
    answers = list(sampled.rows())
    given = [row for row in answers if row["engine"] == "given"]
    assert [row["candidate_id"] for row in given[:2]] == ["0#chosen", "0#rejected"]
    assert all(row["multiplicity"] == 0 and row["finished"] for row in given)
    assert sum(row["multiplicity"] for row in answers) == 12
    scorers = {"contrastive": str(tiny_clip(tmp_path / "clip"))}
    alignment.run(made.path, sampled.path, "/nowhere", scorers, tmp_path / "alignment", {})
    confidence.run(made.path, sampled.path, "/nowhere", str(model), tmp_path / "confidence", {})
    combine.run([sampled.path], [tmp_path / "alignment"], [tmp_path / "confidence"], tmp_path / "scores", {})
    settings = {"source": "given", "curriculum_stages": 2}
    pairs = list(selection.run(tmp_path / "scores", tmp_path / "pairs", settings).rows())
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == [
        (f"A cup {i}.", "A cup and a spoon.") for i in range(4)
    ]
    assert sorted(pair["curriculum_stage"] for pair in pairs) == [1, 1, 2, 2]
    easy = [pair["pool_entropy"] for pair in pairs if pair["curriculum_stage"] == 1]
    hard = [pair["pool_entropy"] for pair in pairs if pair["curriculum_stage"] == 2]
    assert max(easy) <= min(hard)
    own = selection.run(tmp_path / "scores", tmp_path / "own", {"margin": 0.0, "require_finished": False})
    assert not any("#chosen" in row["chosen_id"] or "#rejected" in row["rejected_id"] for row in own.rows())


def test_without_samples_the_curriculum_says_what_is_missing(tmp_path, model):
    from groundtune.errors import TooManyRejected

    made = prepared(tmp_path, [rlhf_v(i) for i in range(3)], model)
    sampled = sampling.run(made.path, "/nowhere", str(model), tmp_path / "candidates", {"num_candidates": 0})
    scorers = {"contrastive": str(tiny_clip(tmp_path / "clip"))}
    alignment.run(made.path, sampled.path, "/nowhere", scorers, tmp_path / "alignment", {})
    believed = confidence.run(made.path, sampled.path, "/nowhere", str(model), tmp_path / "confidence", {})
    assert {row["pool_entropy"] for row in believed.rows()} == {None}
    combine.run([sampled.path], [tmp_path / "alignment"], [tmp_path / "confidence"], tmp_path / "scores", {})
    assert len(selection.run(tmp_path / "scores", tmp_path / "pairs", {"source": "given"})) == 3
    with pytest.raises(TooManyRejected, match=r'3 of 3 pools have no entropy, e.g. id="0".*num_candidates'):
        selection.run(tmp_path / "scores", tmp_path / "more", {"source": "given", "curriculum_stages": 3})


def test_a_prompt_without_answers_of_either_kind_is_rejected(tmp_path, model):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    made = prepared(tmp_path, [{"id": "a", "image": "a.png", "instruction": "What?"}], model, "jsonl")
    sampled = sampling.run(made.path, str(tmp_path), str(model), tmp_path / "candidates", {"num_candidates": 0})
    assert len(sampled) == 0 and "num_candidates is 0" in sampled.rejected()[0]["detail"]
