"""Bad input: a clear error that names the record and the setting, and nothing is lost."""

import json
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.artifacts import read_artifact
from groundtune.errors import CheckpointError, SettingError, StorageError, TooManyRejected
from groundtune.prompts import prepare
from tests.tiny_checkpoints import tiny_llava


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_llava(tmp_path_factory.mktemp("model")))


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    Image.new("RGB", (30, 20), "red").save(root / "images" / "a.png")
    return root


def jsonl(root, *rows):
    (root / "prompts.jsonl").write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return str(root / "prompts.jsonl")


def good(identity="g", **changes):
    return {"id": identity, "image": "images/a.png", "instruction": "What is here?", **changes}


def prepared(file, model, tmp_path, **settings):
    return prepare.run(file, "", model, tmp_path / "out", {"max_rejected_share": 1.0, **settings})


def huge_png(path):
    """A PNG header that promises 20,000 x 20,000 pixels in a few bytes: an image bomb."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_good_rows_become_prompts_with_size_and_digest(data, model, tmp_path):
    made = prepared(jsonl(data, good(reference_answer="A cat.", tags=["x"]), good(2)), model, tmp_path)
    first, second = made.rows()
    assert (first["image_width"], first["image_height"], len(first["image_sha256"])) == (30, 20, 64)
    assert (first["reference_answer"], first["tags"], second["id"]) == ("A cat.", ["x"], "2")


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        ("{broken", "row", 'prompts.jsonl:2 id="prompts.jsonl:2": row: not JSON'),
        ("[1, 2]", "row", "a list, expected an object with id, image and instruction"),
        (good("b", image="images/none.png"), "image", 'id="b": image: "images/none.png" does not exist'),
        (good("b", image="images/text.png"), "image", "is not a readable image"),
        (good("b", image="images/cut.png"), "image", "is not a readable image"),
        (good("b", image="images/huge.png"), "image", "has 400 Mpx, the limit is 64 Mpx (max_image_pixels)"),
        (good("b", image="../secret.png"), "image", "leaves the data root"),
        (good("b", image="/etc/passwd"), "image", "leaves the data root"),
        (good("b", image="images/link.png"), "image", "leaves the data root"),
        (good("b", image="http://x.invalid/a.png"), "image", "http(s) reference, which is off (allow_http_images)"),
        (good("b", image=7), "image", "is 7, expected a string"),
        (good("b", image=None), "image", "is None, expected a string"),
        (good("b", instruction="  "), "instruction", "is empty"),
        (good("b", instruction=["hi"]), "instruction", "expected a string"),
        (good("b", instruction="x" * 9000), "instruction", "9,000 characters, the limit is 8,192"),
        (good("b", instruction="Look <image> here"), "instruction", "<image>"),
        (good("g"), "duplicate_id", 'id="g": id: also at prompts.jsonl:1'),
        (good(None), "id", "expected a non-empty string"),
        (good(True), "id", "is True"),
        (good("b", tags="x"), "tags", "expected a list"),
    ],
)
def test_a_bad_row_is_rejected_with_its_place_and_reason_and_the_good_go_on(
    data, model, tmp_path, row, reason, message
):
    (data / "images" / "text.png").write_text("not a picture")
    whole = (data / "images" / "a.png").read_bytes()
    (data / "images" / "cut.png").write_bytes(whole[:-30])
    huge_png(data / "images" / "huge.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (data / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    made = prepared(jsonl(data, good(), row), model, tmp_path)
    assert [prompt["id"] for prompt in made.rows()] == ["g"]
    (rejected,) = made.rejected()
    assert rejected["reason"] == reason
    assert message in rejected["detail"] and "prompts.jsonl:2" in rejected["detail"]


def test_more_rejected_rows_than_the_limit_stop_the_run(data, model, tmp_path):
    file = jsonl(data, *[good(str(i)) for i in range(9)], good("b", image="none.png"))
    with pytest.raises(TooManyRejected, match=r"1 of 10 rows.*5.0% \(max_rejected_share\)(.|\n)*none.png"):
        prepared(file, model, tmp_path, max_rejected_share=0.05)
    assert len(prepared(file, model, tmp_path, max_rejected_share=0.1)) == 9


def test_parquet_gives_the_same_prompts_as_jsonl(data, model, tmp_path):
    rows = [good("a"), good("b", instruction="Why?")]
    from_jsonl = list(prepared(jsonl(data, *rows), model, tmp_path / "1").rows())
    pq.write_table(pa.Table.from_pylist(rows), data / "prompts.parquet")
    assert list(prepared(str(data / "prompts.parquet"), model, tmp_path / "2").rows()) == from_jsonl


def test_llava_conversations_are_read_without_their_image_token(data, model, tmp_path):
    def talk(identity, human):
        turns = [{"from": "human", "value": human}, {"from": "gpt", "value": "A red square."}]
        return {"id": identity, "image": "images/a.png", "conversations": turns}

    rows = [talk("a", "<image>\nWhat is it?"), talk("b", "What is it?\n<image>"), talk("c", "No picture?"),
            talk("d", "<image><image> Two?"), {"id": "e", "image": "images/a.png", "conversations": []}]  # fmt: skip
    (data / "chat.json").write_text(json.dumps(rows))
    made = prepared(str(data / "chat.json"), model, tmp_path)
    assert [(r["id"], r["instruction"], r["reference_answer"]) for r in made.rows()] == [
        ("a", "What is it?", "A red square."),
        ("b", "What is it?", "A red square."),
    ]
    assert [(r["id"], r["reason"]) for r in made.rejected()] == [(x, "conversations") for x in "cde"]


@pytest.mark.parametrize("name", ["prompts.csv", "prompts.parquet", "prompts.json"])
def test_a_file_of_another_format_is_an_error_that_says_which_are_read(data, model, tmp_path, name):
    (data / name).write_text("id;image")
    with pytest.raises(SettingError, match="prompts"):
        prepared(str(data / name), model, tmp_path)


def test_no_file_and_no_row_are_errors(data, model, tmp_path):
    with pytest.raises(StorageError, match="no such file"):
        prepared(str(data / "none.jsonl"), model, tmp_path)
    with pytest.raises(SettingError, match="at least one prompt"):
        prepared(jsonl(data), model, tmp_path)


def test_a_processor_that_counts_other_placeholders_than_the_model_is_caught_here(data, tmp_path):
    checkpoint = tiny_llava(tmp_path / "m")
    file = checkpoint / "processor_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "patch_size": config["patch_size"] * 2}))
    made = prepare.run(jsonl(data, good()), "", str(checkpoint), tmp_path / "out", {"max_rejected_share": 1.0})
    (rejected,) = made.rejected()
    assert (
        "placeholders" in rejected["detail"] and "patch_size" in rejected["detail"] and 'id="g"' in rejected["detail"]
    )


def test_a_checkpoint_that_needs_remote_code_is_refused_before_any_row(data, tmp_path):
    checkpoint = tiny_llava(tmp_path / "m")
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(CheckpointError, match="remote code"):
        prepare.run(jsonl(data, good()), "", str(checkpoint), tmp_path / "out", {})


def test_an_image_that_changed_after_preparation_is_noticed(data, model, tmp_path):
    from groundtune.candidates import sampling

    prepared(jsonl(data, good(), good("h")), model, tmp_path)
    Image.new("RGB", (30, 20), "blue").save(data / "images" / "a.png")
    made = sampling.run(tmp_path / "out", str(data), model, tmp_path / "c", {"max_new_tokens": 2})
    assert [row["id"] for row in made.rejected()] == ["g", "h"]
    assert "changed since" in made.rejected()[0]["detail"]


def test_the_same_file_gives_the_same_digest(data, model, tmp_path):
    file = jsonl(data, good(), good("b", image="none.png"))
    first = prepared(file, model, tmp_path / "1")
    assert first.digest == prepared(file, model, tmp_path / "2", rows_per_part=2048).digest
    assert read_artifact(tmp_path / "1" / "out", "prompts").digest == first.digest
