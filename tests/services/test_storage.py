"""Storage against a real S3 server: the same promises for paths and s3:// prefixes."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from PIL import Image

from groundtune import storage
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import read_artifact
from groundtune.errors import RecordError, StorageError
from groundtune.images import ImageStore
from groundtune.storage import connection, files, folders
from tests.servers import S3Server, free_port


@pytest.fixture(params=["path", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place of this test alone, on disk and in the bucket."""
    if request.param == "path":
        return str(tmp_path / "root")
    return str(request.getfixturevalue("bucket"))


def put(uri: str, content: bytes, tmp_path: Path) -> str:
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    storage.publish_file(source, uri)
    return uri


def test_what_is_published_can_be_listed_read_and_fetched(root: str, tmp_path: Path) -> None:
    for name in ("b.txt", "deep/a.txt", "a.txt"):
        put(storage.join(root, name), name.encode(), tmp_path)
    assert storage.list_files(root) == ["a.txt", "b.txt", "deep/a.txt"]
    assert storage.read_bytes(storage.join(root, "deep/a.txt")) == b"deep/a.txt"
    target = storage.fetch_file(storage.join(root, "b.txt"), tmp_path / "new" / "copy.txt")
    assert target.read_bytes() == b"b.txt"
    assert [file.name for file in target.parent.iterdir()] == ["copy.txt"]  # no partial file stays


def test_a_missing_folder_is_empty_and_a_missing_file_is_an_error(root: str, tmp_path: Path) -> None:
    assert storage.list_files(storage.join(root, "nothing")) == []
    missing = storage.join(root, "nothing.txt")
    for attempt in (storage.read_bytes, lambda uri: storage.fetch_file(uri, tmp_path / "x")):
        with pytest.raises(StorageError, match=r"nothing\.txt"):
            attempt(missing)
    assert not (tmp_path / "x").exists()


def test_removing_a_folder_leaves_its_neighbours(root: str, tmp_path: Path) -> None:
    for name in ("run/1.txt", "run/deep/2.txt", "run-2/3.txt"):
        put(storage.join(root, name), b"x", tmp_path)
    storage.remove(storage.join(root, "run"))
    storage.remove(storage.join(root, "run"))  # a missing one is fine
    assert storage.list_files(root) == ["run-2/3.txt"]
    storage.remove(storage.join(root, "run-2/3.txt"))
    assert storage.list_files(root) == []


def test_a_large_file_travels_in_parts_and_arrives_whole(bucket: str, s3: S3Server, tmp_path: Path) -> None:
    content = hashlib.shake_256(b"seed").digest(20 << 20)  # 20 MiB: more than two parts of 8 MiB
    uri = put(f"{bucket}/large.bin", content, tmp_path)
    name, key = storage.split_s3(uri)
    tag = s3.client().head_object(Bucket=name, Key=key)["ETag"].strip('"')
    assert tag.endswith("-3")  # three parts
    fetched = storage.fetch_file(uri, tmp_path / "large.bin")
    assert hashlib.sha256(fetched.read_bytes()).digest() == hashlib.sha256(content).digest()


def test_a_published_folder_shows_its_manifest_last(
    bucket: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artifact"
    (folder / "zz").mkdir(parents=True)
    for name in ("a.parquet", "manifest.json", "zz/late.parquet"):
        (folder / name).write_text(name)
    order = []
    publish = folders.publish_file
    monkeypatch.setattr(folders, "publish_file", lambda source, uri: (publish(source, uri), order.append(source.name)))
    storage.publish_folder(folder, f"{bucket}/artifact")
    assert order[-1] == "manifest.json"
    assert storage.list_files(f"{bucket}/artifact") == ["a.parquet", "manifest.json", "zz/late.parquet"]


def test_a_prefix_becomes_a_local_folder(bucket: str, tmp_path: Path) -> None:
    for name in ("config.json", "shards/1.safetensors"):
        put(f"{bucket}/model/{name}", name.encode(), tmp_path)
    put(f"{bucket}/model-2/config.json", b"another", tmp_path)
    folder = storage.local_folder(f"{bucket}/model", cache=tmp_path / "cache")
    assert storage.list_files(str(folder)) == ["config.json", "shards/1.safetensors"]
    assert (folder / "config.json").read_bytes() == b"config.json"
    assert storage.local_file(f"{bucket}/model/config.json", tmp_path / "cache").read_bytes() == b"config.json"
    with pytest.raises(StorageError, match="no object has this prefix"):
        storage.local_folder(f"{bucket}/mod", cache=tmp_path / "cache")


def test_the_empty_objects_by_which_some_tools_mark_folders_are_no_files(
    bucket: str, s3: S3Server, tmp_path: Path
) -> None:
    name, key = storage.split_s3(bucket)
    for mark in ("model/", "model/sub/"):
        s3.client().put_object(Bucket=name, Key=f"{key}/{mark}", Body=b"")
    s3.client().put_object(Bucket=name, Key=f"{key}/model/sub/config.json", Body=b"{}")
    assert storage.list_files(f"{bucket}/model") == ["sub/config.json"]
    assert storage.file_sizes(f"{bucket}/model") == {"sub/config.json": 2}
    assert (storage.local_folder(f"{bucket}/model", tmp_path) / "sub" / "config.json").read_text() == "{}"
    storage.remove(f"{bucket}/model")
    assert "Contents" not in s3.client().list_objects_v2(Bucket=name, Prefix=f"{key}/model")


def test_a_place_that_can_be_written_is_left_as_it_was(root: str) -> None:
    storage.check_writable(root)
    assert storage.list_files(root) == []


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret-value", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "nobody", "AWS_ACCESS_KEY_ID"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:{port}", "AWS_ENDPOINT_URL"),
    ],
    ids=["secret", "key", "endpoint"],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    variable: str, value: str, hint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, value.format(port=free_port()))
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "0")
    connection.client_of.cache_clear()  # keys are read once in a process; this test needs a second reading
    attempts = (
        storage.check_writable,
        storage.list_files,
        storage.read_bytes,
        lambda uri: storage.fetch_file(f"{uri}/x", tmp_path / "x"),
    )
    try:
        for attempt in attempts:
            with pytest.raises(StorageError, match=hint) as caught:
                attempt(bucket)
            assert "wrong-secret-value" not in str(caught.value)
    finally:
        connection.client_of.cache_clear()


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    for attempt in (storage.check_writable, storage.list_files, storage.read_bytes):
        with pytest.raises(StorageError, match=r"s3://no-such-bucket.*bucket"):
            attempt("s3://no-such-bucket/prefix")
    with pytest.raises(StorageError, match="s3://bucket/key"):
        storage.read_bytes("s3:///key-without-bucket")


def rows(part: int) -> list[dict[str, object]]:
    number = f"{part}"
    return [{"id": f"p{number}", "image": "a.png", "instruction": "What?", "tags": ["t"], "image_width": 4}]


def test_a_writer_with_its_state_in_s3_goes_on_where_another_node_stopped(bucket: str, tmp_path: Path) -> None:
    def writer(node: str) -> ArtifactWriter:
        return ArtifactWriter(
            tmp_path / node / "prompts", "prompts", {"limit": 0}, {"source": "d"}, state=f"{bucket}/state"
        )

    first = writer("node-1")
    first.write_part(0, rows(0))
    first.write_part(1, [], [reject("p1", "missing_image", "p1: no image")])
    del first  # the node is lost
    second = writer("node-2")
    assert [second.has_part(index) for index in range(3)] == [True, True, False]
    second.write_part(2, rows(2))
    resumed = second.finish(rows_in=3)
    assert storage.list_files(f"{bucket}/state") == []

    whole = writer("node-3")
    for index in (2, 0):
        whole.write_part(index, rows(index))
    whole.write_part(1, [], [reject("p1", "missing_image", "p1: no image")])
    assert whole.finish(rows_in=3).digest == resumed.digest
    opened = read_artifact(resumed.path, "prompts")
    assert [row["id"] for row in opened.rows()] == ["p0", "p2"]
    assert [row["id"] for row in opened.rejected()] == ["p1"]


def test_images_are_read_below_an_s3_root_and_not_outside_it(bucket: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), (10, 200, 30)).save(stream, "PNG")
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    put(f"{bucket}/images/deep/green.png", stream.getvalue(), tmp_path)
    put(f"{bucket}/private.png", stream.getvalue(), tmp_path)
    store = ImageStore(f"{bucket}/images")
    assert store.open("r1", "deep/green.png", digest).size == (6, 4)
    assert store.open("r1", f"{bucket}/images/deep/green.png").getpixel((0, 0)) == (10, 200, 30)
    for reference, problem in (
        ("../private.png", "leaves the data root"),
        ("/etc/hostname", "leaves the data root"),
        ("deep/missing.png", "missing.png"),
    ):
        with pytest.raises(RecordError, match=problem) as caught:
            store.read("r1", reference)
        assert 'id="r1"' in str(caught.value)
    with pytest.raises(RecordError, match="changed since"):
        store.open("r1", "deep/green.png", "0" * 64)


def test_a_prefix_is_fetched_again_only_where_it_changed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    prefix = f"{bucket}/model"
    for name, text in (("config.json", "one"), ("weights.safetensors", "two"), ("old.json", "three")):
        (tmp_path / name).write_text(text)
        storage.publish_file(tmp_path / name, f"{prefix}/{name}")
    folder = storage.local_folder(prefix, tmp_path / "cache")
    assert (folder / "old.json").read_text() == "three"
    (tmp_path / "config.json").write_text("changed")
    storage.publish_file(tmp_path / "config.json", f"{prefix}/config.json")
    storage.remove(f"{prefix}/old.json")
    fetched = []
    fetch = files.fetch_file
    monkeypatch.setattr(files, "fetch_file", lambda uri, target: fetched.append(uri) or fetch(uri, target))
    folder = storage.local_folder(prefix, tmp_path / "cache")
    assert fetched == [f"{prefix}/config.json"]
    assert (folder / "config.json").read_text() == "changed" and not (folder / "old.json").exists()


def test_a_file_that_is_published_once_is_the_first_writers(root: str) -> None:
    uri = storage.join(root, "deep/claim.json")
    assert storage.publish_once(b"mine", uri)
    assert not storage.publish_once(b"yours", uri)
    assert storage.publish_once(b"mine", uri), "whose answer was lost asks again"
    assert storage.read_bytes(uri) == b"mine"
    assert storage.list_files(root) == ["deep/claim.json"]


def test_of_many_writers_at_the_same_moment_exactly_one_publishes(root: str) -> None:
    for number in range(10):
        uri, together = storage.join(root, f"{number}.json"), Barrier(6)

        def publish(content: bytes, uri: str = uri, together: Barrier = together) -> bool:
            together.wait()
            return storage.publish_once(content, uri)

        contents = [b"writer %d" % writer for writer in range(6)]
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(publish, contents))
        assert sum(told) == 1
        assert storage.read_bytes(uri) == contents[told.index(True)]


def test_a_files_version_changes_with_its_content_alone(root: str, tmp_path: Path) -> None:
    for name in ("a.jsonl", "deep/b.parquet", "picture.png"):
        put(storage.join(root, name), name.encode(), tmp_path)
    before = storage.file_versions(root, (".jsonl", ".parquet"))
    assert list(before) == ["a.jsonl", "deep/b.parquet"]
    put(storage.join(root, "a.jsonl"), b"a.jsonl", tmp_path)
    assert storage.file_versions(root, (".jsonl", ".parquet")) == before
    put(storage.join(root, "a.jsonl"), b"other", tmp_path)
    after = storage.file_versions(root, (".jsonl", ".parquet"))
    assert after["a.jsonl"] != before["a.jsonl"] and after["deep/b.parquet"] == before["deep/b.parquet"]
