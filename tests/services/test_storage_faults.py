"""Storage over a network that fails, against a real store: what arrives is right, or it does not appear."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune import preflight, storage
from groundtune.benchmarks import planning
from groundtune.errors import SettingError, StorageError, StoreUnavailable
from groundtune.images import ImageStore
from groundtune.storage import retrying
from tests.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.servers import S3Server

MIB = 1 << 20
LARGE = hashlib.shake_256(b"large").digest(24 * MIB)  # three parts


@pytest.fixture
def proxy(bucket: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """What this process's environment points at."""
    with fault_proxy(int(s3.endpoint.rpartition(":")[2])) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "20")
        yield proxy


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "large.bin"
    file.write_bytes(LARGE)
    return file


def put_directly(s3: S3Server, uri: str, content: bytes) -> None:
    """As somebody else's tool would, without our checksum."""
    name, key = storage.split_s3(uri)
    s3.client(attempts=5).put_object(Bucket=name, Key=key, Body=content)


def content_of(s3: S3Server, uri: str) -> bytes:
    name, key = storage.split_s3(uri)
    return bytes(s3.client().get_object(Bucket=name, Key=key)["Body"].read())


@pytest.mark.parametrize("kind", ["cut", "reset", "corrupt"])
def test_an_upload_goes_on_with_the_parts_that_are_there(
    kind: str, proxy: FaultProxy, bucket: str, s3: S3Server, large: Path
) -> None:
    proxy.faults = [Fault(kind, "up", 5 * MIB, times=2)]
    storage.publish_file(large, f"{bucket}/large.bin")
    assert proxy.faults[0].times == 0
    assert content_of(s3, f"{bucket}/large.bin") == LARGE
    assert proxy.carried["up"] < len(LARGE) + 2 * 8 * MIB + MIB  # what was cut once more, and nothing else


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_download_goes_on_where_it_was_cut(
    kind: str, proxy: FaultProxy, bucket: str, s3: S3Server, large: Path, tmp_path: Path
) -> None:
    put_directly(s3, f"{bucket}/large.bin", LARGE)
    proxy.faults = [Fault(kind, "down", 10 * MIB, times=3)]
    target = storage.fetch_file(f"{bucket}/large.bin", tmp_path / "here" / "large.bin")
    assert proxy.faults[0].times <= 1  # struck twice at least: the rest of the second time is 14 MiB
    assert target.read_bytes() == LARGE
    # A reset takes with it what was in the socket's buffers; a download begun again would cost 10 MiB more at once.
    assert proxy.carried["down"] < len(LARGE) + 8 * MIB


@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_a_damaged_download_is_fetched_again(
    whose: str, proxy: FaultProxy, bucket: str, s3: S3Server, large: Path, tmp_path: Path
) -> None:
    uri = f"{bucket}/large.bin"
    if whose == "ours":
        storage.publish_file(large, uri)
    else:
        put_directly(s3, uri, LARGE)
    proxy.faults = [Fault("corrupt", "down", 3 * MIB)]
    assert storage.fetch_file(uri, tmp_path / "x").read_bytes() == LARGE
    assert proxy.faults[0].times == 0
    assert proxy.carried["down"] > 2 * len(LARGE)
    proxy.faults = [Fault("corrupt", "down", 3 * MIB)]
    proxy.refuse()  # so that the next connection counts from its first byte
    proxy.accept()
    assert storage.read_bytes(uri) == LARGE
    assert proxy.faults[0].times == 0


def test_an_object_whose_bytes_are_wrong_every_time_never_becomes_a_file(
    proxy: FaultProxy, bucket: str, s3: S3Server, tmp_path: Path
) -> None:
    name, key = storage.split_s3(f"{bucket}/spoiled.bin")
    stated = {"groundtune-sha256": hashlib.sha256(b"what it should be").hexdigest()}
    s3.client().put_object(Bucket=name, Key=key, Body=b"what it is not....", Metadata=stated)
    (tmp_path / "target").write_bytes(b"what was there before")
    with pytest.raises(StorageError, match=r"spoiled\.bin: the sha256 of what arrived is .* the store says"):
        storage.fetch_file(f"{bucket}/spoiled.bin", tmp_path / "target")
    assert [file.name for file in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_bytes() == b"what was there before"


def test_an_object_that_is_replaced_while_it_is_read_is_read_anew(
    proxy: FaultProxy, bucket: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, newer = f"{bucket}/large.bin", LARGE[::-1]
    put_directly(s3, uri, LARGE)
    proxy.faults = [Fault("cut", "down", 10 * MIB)]
    wait = retrying.Retry.wait_or_raise
    monkeypatch.setattr(
        retrying.Retry, "wait_or_raise", lambda *given: (put_directly(s3, uri, newer), wait(*given))
    )
    assert storage.fetch_file(uri, tmp_path / "x").read_bytes() == newer


def test_a_busy_store_is_asked_again(proxy: FaultProxy, bucket: str, s3: S3Server, large: Path) -> None:
    proxy.busy = 3
    storage.publish_file(large, f"{bucket}/large.bin")
    assert content_of(s3, f"{bucket}/large.bin") == LARGE
    assert proxy.busy == 0
    proxy.refuse()  # so that the next request is the first of a connection
    proxy.accept()
    proxy.busy = 3
    assert storage.list_files(bucket) == ["large.bin"]
    assert proxy.busy == 0


def test_a_store_that_is_away_is_waited_for_and_no_longer_than_asked(
    proxy: FaultProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.refuse()
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "2")
    for attempt in (
        lambda: storage.list_files(bucket),
        lambda: storage.fetch_file(f"{bucket}/x", tmp_path / "x"),
        lambda: ImageStore(bucket).read("p1", "x.png"),  # no record is to blame
    ):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"for 2 s: .*AWS_ENDPOINT_URL"):
            attempt()
        assert 1.9 < time.monotonic() - began < 4
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "600")
    with storage.patience(0), pytest.raises(StoreUnavailable):
        storage.list_files(bucket)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["-1", "soon", "inf", "nan"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(
    text: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", text)
    with pytest.raises(SettingError, match=f"GROUNDTUNE_S3_PATIENCE.*{text}"):
        storage.list_files(bucket)


def test_a_failed_upload_leaves_nothing_half(
    proxy: FaultProxy, bucket: str, s3: S3Server, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "1")
    proxy.faults = [Fault("reset", "up", 2 * MIB, times=1000)]
    with pytest.raises(StoreUnavailable, match=r"large\.bin"):
        storage.publish_file(large, f"{bucket}/large.bin")
    name, key = storage.split_s3(bucket)
    assert "Contents" not in s3.client().list_objects_v2(Bucket=name, Prefix=key)
    assert not s3.client().list_multipart_uploads(Bucket=name, Prefix=key).get("Uploads")


def test_a_slow_network_is_only_slow(proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    proxy.latency, proxy.bandwidth = 0.02, 4 * MIB
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(16):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * (MIB // 4))
    began = time.monotonic()
    storage.publish_folder(folder, f"{bucket}/folder")
    here = storage.local_folder(f"{bucket}/folder", tmp_path / "cache")
    assert {f.name: f.read_bytes() for f in here.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}
    assert time.monotonic() - began < 16 * (0.25 / 4 + 16 * 0.02)  # less than one by one, one way


def test_checks_before_the_work_wait_for_seconds_not_minutes(
    proxy: FaultProxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDTUNE_S3_PATIENCE")
    monkeypatch.setattr(retrying, "_FIRST_WAIT", 0.01)
    proxy.refuse()
    given: list[float] = []
    start = retrying.Retry.__init__

    def watched(self: retrying.Retry, action: str, uri: str) -> None:
        start(self, action, uri)
        given.append(self._patience)
        self._patience = min(self._patience, 0.1)

    monkeypatch.setattr(retrying.Retry, "__init__", watched)
    settings = {"evaluation": {"benchmarks": {"pope": "pope.jsonl"}}}
    with pytest.raises(StoreUnavailable, match="benchmarks/pope.jsonl"):
        preflight.run(f"{bucket}/prompts.jsonl", f"{bucket}/model", {}, {}, f"{bucket}/benchmarks", settings)
    with pytest.raises(StoreUnavailable, match="model"):
        planning.run(f"{bucket}/questions", {}, None, model=f"{bucket}/model")
    with pytest.raises(StoreUnavailable):
        storage.check_writable(bucket)
    assert set(given) == {15.0}
    with pytest.raises(StoreUnavailable):
        storage.list_files(bucket)
    assert given[-1] == 300.0
