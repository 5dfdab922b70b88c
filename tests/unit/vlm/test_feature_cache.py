"""Promises of the features on disk: whole or absent, within their limit, never in anybody's way."""

import errno
import logging
import multiprocessing
import os
import resource
import time
from pathlib import Path

import pytest
import torch

from groundtune.vlm.feature_cache import DAY, FeatureCache, KeptImage

MIB = 2**20


def kept(value: float, mebibytes: float = 0.001, **changes) -> KeptImage:
    """Features of about that size, all of one value."""
    rows = max(1, round(mebibytes * MIB / 1024))
    return KeptImage(torch.full((rows, 256), value), **{"image_key": f"key {value}", "image_size": (3, 4)} | changes)


def files(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".safetensors") for path in folder.rglob("*") if path.is_file())


def aged(cache: FeatureCache, name: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(cache.folder / f"{name}.safetensors", (then, then))


@pytest.fixture
def warnings(caplog):
    """Lines said so far."""
    caplog.set_level(logging.WARNING, "groundtune.vlm.feature_cache")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_kept_comes_back_bit_for_bit_for_another_process(tmp_path, dtype):
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    FeatureCache(tmp_path / "tower", 1).put("a", KeptImage(features, "key", (480, 640)))
    found = FeatureCache(tmp_path / "tower", 1).get("a")
    assert found is not None and torch.equal(found.features, features) and found.features.dtype == dtype
    assert (found.image_key, found.image_size) == ("key", (480, 640))
    assert FeatureCache(tmp_path / "tower", 1).get("b") is None


def test_what_is_read_is_a_map_of_the_file_and_changing_it_changes_no_file(tmp_path):
    cache = FeatureCache(tmp_path / "tower", 4)
    cache.put("a", kept(1.0, 1.0))
    found = cache.get("a").features
    assert any("a.safetensors" in line for line in Path("/proc/self/maps").read_text().splitlines())
    found.zero_()
    assert float(cache.get("a").features[0, 0]) == 1.0


def test_another_tower_has_a_folder_of_its_own(tmp_path):
    FeatureCache(tmp_path / "one", 1).put("a", kept(1.0))
    assert FeatureCache(tmp_path / "other", 1).get("a") is None


def damages(data: bytes) -> dict[str, bytes]:
    """Ways in which a file of a killed machine or a bad disk can look."""
    flipped, header = bytearray(data), bytearray(data)
    flipped[-3] ^= 1
    header[header.index(b"key 1.0") + 4] ^= 1
    return {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "zeros": bytes(len(data)),
        "never written out": data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
        "a flipped bit": bytes(flipped),
        "a flipped bit in the header": bytes(header),
        "no safetensors": b"hello",
    }


@pytest.mark.parametrize("damage", damages(b"key 1.0").keys())
def test_a_damaged_file_is_said_and_replaced(tmp_path, warnings, damage):
    FeatureCache(tmp_path / "tower", 1).put("a", kept(1.0))
    file = tmp_path / "tower" / "a.safetensors"
    file.write_bytes(damages(file.read_bytes())[damage])
    cache = FeatureCache(tmp_path / "tower", 1)
    assert cache.get("a") is None and cache.get("a") is None
    assert len(warnings()) == 1 and str(file) in warnings()[0] and "computed again" in warnings()[0]
    cache.put("a", kept(1.0))
    assert float(FeatureCache(tmp_path / "tower", 1).get("a").features[0, 0]) == 1.0


def test_what_came_first_stays_and_the_limit_is_said_once(tmp_path, warnings):
    cache = FeatureCache(tmp_path / "tower", 1)
    for name in "abcd":
        cache.put(name, kept(1.0, 0.4))
    assert files(tmp_path) == ["a", "b"]
    assert len(warnings()) == 1 and "1 MiB of feature_cache" in warnings()[0]
    cache.put("small", kept(1.0, 0.1))
    assert files(tmp_path) == ["a", "b", "small"], "a smaller image may still fit"
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors")) <= MIB


def test_other_towers_make_way_before_what_is_ours(tmp_path):
    other, ours = FeatureCache(tmp_path / "other", 1), FeatureCache(tmp_path / "ours", 1)
    ours.put("ours", kept(1.0, 0.4))
    aged(ours, "ours", DAY / 2)
    other.put("other", kept(1.0, 0.4))
    cache = FeatureCache(tmp_path / "ours", 1)
    assert files(tmp_path) == ["other", "ours"], "nothing goes while there is room"
    cache.put("new", kept(1.0, 0.4))
    assert files(tmp_path) == ["new", "ours"]
    cache.put("newer", kept(1.0, 0.4))
    assert files(tmp_path) == ["new", "ours"], "what was used today stays"


def test_what_was_used_the_longest_ago_makes_way_first(tmp_path):
    cache = FeatureCache(tmp_path / "tower", 1)
    for days, name in enumerate("abc"):
        cache.put(name, kept(1.0, 0.3))
        aged(cache, name, (5 - days) * DAY)
    assert FeatureCache(tmp_path / "tower", 1).get("a") is not None, "this is a use"
    FeatureCache(tmp_path / "tower", 1).put("new", kept(1.0, 0.3))
    assert files(tmp_path) == ["a", "c", "new"]


def test_what_is_used_after_the_folder_was_opened_does_not_make_way(tmp_path):
    old = FeatureCache(tmp_path / "tower", 1)
    old.put("a", kept(1.0, 0.6))
    aged(old, "a", 3 * DAY)
    cache = FeatureCache(tmp_path / "tower", 1)
    assert FeatureCache(tmp_path / "tower", 1).get("a") is not None  # another process
    cache.put("b", kept(1.0, 0.6))
    assert files(tmp_path) == ["a"]


def test_a_lower_limit_holds_when_the_folder_is_opened(tmp_path):
    cache = FeatureCache(tmp_path / "tower", 4)
    for hours, name in enumerate("abc"):
        cache.put(name, kept(1.0, 0.9))
        aged(cache, name, (5 - hours) * 3600)
    FeatureCache(tmp_path / "tower", 2)
    assert files(tmp_path) == ["b", "c"]


def test_several_processes_together_keep_to_the_limit(tmp_path):
    """None of them sees the others write, so each looks again from time to time."""
    caches = [FeatureCache(tmp_path / "tower", 8) for _ in range(3)]
    for number in range(100):
        for place, cache in enumerate(caches):
            cache.put(f"{place}-{number}", kept(1.0, 0.05))
    used = sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors"))
    assert 7 * MIB < used <= (8 + 3 * 8 / 64 + 3 * 0.05) * MIB


def _fill(folder: str, start, seed: int) -> None:
    cache = FeatureCache(Path(folder), 64)
    start.wait()
    for number in torch.randperm(40, generator=torch.Generator().manual_seed(seed)).tolist() * 3:
        found = cache.get(str(number))
        if found is not None:
            assert bool((found.features == number).all())
        else:
            cache.put(str(number), kept(float(number), 0.05))


def test_processes_that_write_at_once_never_see_half_a_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [context.Process(target=_fill, args=(str(tmp_path / "tower"), start, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert files(tmp_path) == sorted(str(number) for number in range(40)), "nor does anything half remain"
    cache = FeatureCache(tmp_path / "tower", 64)
    assert all(bool((cache.get(str(number)).features == number).all()) for number in range(40))


def _write_forever(folder: str) -> None:
    cache, number = FeatureCache(Path(folder), 4096), 0
    while True:
        cache.put(str(number), kept(float(number % 50), 2.0))
        number += 1


def test_a_killed_process_leaves_nothing_that_could_be_read_as_whole(tmp_path, warnings):
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_write_forever, args=(str(tmp_path / "tower"),))
    worker.start()
    while len(files(tmp_path)) < 3:
        time.sleep(0.01)
    worker.kill()
    worker.join()
    cache = FeatureCache(tmp_path / "tower", 4096)
    names = [name for name in files(tmp_path) if not name.startswith(".")]
    assert len(names) >= 2
    assert all(float(cache.get(name).features[-1, -1]) == int(name) % 50 for name in names)
    assert not warnings()


def test_what_a_killed_process_was_writing_is_cleared_away_after_a_day(tmp_path):
    folder = tmp_path / "tower"
    folder.mkdir()
    for name, days in ((".old.1-1.partial", 2), (".new.1-1.partial", 0)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - days * DAY,) * 2)
    FeatureCache(folder, 1)
    assert files(tmp_path) == [".new.1-1.partial"]


def test_a_disk_that_takes_no_more_ends_the_keeping_with_one_line(tmp_path, warnings):
    """The limit of a file's size stands for a full disk: the write fails as there, half way."""
    cache = FeatureCache(tmp_path / "tower", 64)
    cache.put("a", kept(1.0, 0.01))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB // 2, hard))
    try:
        for name in "bcd":
            cache.put(name, kept(1.0, 1.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(warnings()) == 1 and os.strerror(errno.EFBIG) in warnings()[0]
    assert files(tmp_path) == ["a"] and cache.get("a") is not None, "nothing half is left, and what is there is read"


def test_a_folder_that_cannot_be_made_ends_the_keeping_with_one_line(tmp_path, warnings):
    (tmp_path / "features").write_text("a file where the folder should be")
    cache = FeatureCache(tmp_path / "features" / "tower", 64)
    for name in "ab":
        assert cache.get(name) is None
        cache.put(name, kept(1.0))
    assert sum("no more image features are kept" in line for line in warnings()) == 1
