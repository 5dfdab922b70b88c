"""Promises of artifact folders: whole or absent, nothing lost, resumable, the same digest however they were made."""

import json

import pytest

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import parts_of, read_artifact, shard_of
from groundtune.errors import ArtifactError, TooManyRejected
from groundtune.folder_artifacts import FolderWriter, read_folder


def rows(count, start=0):
    return [
        {"prompt_id": f"p{i}", "candidate_id": f"p{i}#0", "text": f"a {i}", "token_ids": [i, 2], "finished": True,
         "multiplicity": 1, "engine": "test"}
        for i in range(start, start + count)
    ]  # fmt: skip


def writer(path, **changes):
    given = {"kind": "candidates", "settings": {"seed": 0}, "parents": {"prompts": "abc"}, **changes}
    return ArtifactWriter(path, **given)


def test_a_folder_without_a_manifest_does_not_exist(tmp_path):
    unfinished = writer(tmp_path / "a")
    unfinished.write_part(0, rows(3))
    with pytest.raises(ArtifactError, match="did not finish"):
        read_artifact(tmp_path / "a", "candidates")


def test_rows_come_back_in_order_whatever_the_order_of_writing(tmp_path):
    made = writer(tmp_path / "a")
    made.write_part(1, rows(2, 3))
    made.write_part(0, rows(3))
    made.finish(5)
    assert list(read_artifact(tmp_path / "a", "candidates").rows()) == rows(5)


def test_the_digest_does_not_depend_on_how_rows_are_cut_into_parts(tmp_path):
    digests = set()
    for size in (1, 2, 5):
        made = writer(tmp_path / str(size))
        for index, part in parts_of(rows(5), size):
            made.write_part(index, part)
        digests.add(made.finish(5).digest)
    assert len(digests) == 1


def test_settings_parents_and_rows_each_change_the_digest(tmp_path):
    def digest(name, count=2, **changes):
        made = writer(tmp_path / name, **changes)
        made.write_part(0, rows(count))
        return made.finish(count).digest

    found = [digest("a"), digest("b", 3), digest("c", settings={"seed": 1}), digest("d", parents={"prompts": "x"})]
    assert len(set(found)) == 4


def test_an_interrupted_writer_goes_on_where_it_was(tmp_path):
    first = writer(tmp_path / "a")
    first.write_part(0, rows(2))
    del first
    second = writer(tmp_path / "a")
    assert second.has_part(0) and not second.has_part(1)
    second.write_part(1, rows(2, 2))
    resumed = second.finish(4)
    straight = writer(tmp_path / "b")
    straight.write_part(0, rows(2))
    straight.write_part(1, rows(2, 2))
    assert resumed.digest == straight.finish(4).digest
    assert not list((tmp_path / "a.state").rglob("*.parquet")), "finished state is removed"


def test_parts_of_another_setting_are_not_taken_up(tmp_path):
    writer(tmp_path / "a").write_part(0, rows(2))
    assert not writer(tmp_path / "a", settings={"seed": 1}).has_part(0)


def test_a_lost_row_is_an_error(tmp_path):
    made = writer(tmp_path / "a")
    made.write_part(0, rows(2), [reject("p9", "image", "gone")])
    with pytest.raises(ArtifactError, match="4 in, 2 out and 1 rejected"):
        made.finish(4)
    assert not (tmp_path / "a").exists()


def test_rejected_rows_are_kept_with_their_reasons(tmp_path):
    made = writer(tmp_path / "a")
    made.write_part(0, rows(1), [reject("p8", "image", "missing"), reject("p9", "image", "missing")])
    found = read_artifact(made.finish(3).path, "candidates")
    assert found.manifest["rejected_reasons"] == {"image": 2}
    assert [row["id"] for row in found.rejected()] == ["p8", "p9"]


def test_too_many_rejected_rows_stop_the_run_and_say_so(tmp_path):
    made = writer(tmp_path / "a")
    made.write_part(0, rows(8), [reject("p8", "image", "p8: gone"), reject("p9", "image", "p9: gone")])
    with pytest.raises(TooManyRejected, match=r"2 of 10 .* limit is 5.0% \(max_rejected_share\)"):
        made.finish(10, max_rejected_share=0.05)


def test_a_changed_part_is_noticed(tmp_path):
    made = writer(tmp_path / "a")
    made.write_part(0, rows(2))
    path = made.finish(2).path
    (path / "part-00000.parquet").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="missing or changed"):
        read_artifact(path, "candidates")


@pytest.mark.parametrize(("field", "value", "message"), [("kind", "pairs", "expected"), ("schema_version", 99, "99")])
def test_another_kind_or_schema_is_refused(tmp_path, field, value, message):
    made = writer(tmp_path / "a")
    made.write_part(0, rows(2))
    path = made.finish(2).path
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, field: value}))
    with pytest.raises(ArtifactError, match=message):
        read_artifact(path, "candidates")


def test_shards_together_are_the_whole_in_order():
    for count in (1, 2, 3, 7):
        assert [i for index in range(count) for i in shard_of(list(range(7)), index, count)] == list(range(7))


def test_a_folder_artifact_is_digested_by_its_content_alone(tmp_path):
    def made(name, weights, note):
        def write(folder):
            (folder / "adapter.safetensors").write_bytes(weights)
            (folder / "log.jsonl").write_text(note)

        return FolderWriter(tmp_path / name, "adapter", {"beta": 0.1}, {"pairs": "x"}).finish(write, {})

    first, same, other = made("a", b"w", "fast"), made("b", b"w", "slow"), made("c", b"v", "fast")
    assert first.digest == same.digest != other.digest
    (first.path / "adapter.safetensors").write_bytes(b"tampered")
    with pytest.raises(ArtifactError, match="changed"):
        read_folder(first.path, "adapter")
