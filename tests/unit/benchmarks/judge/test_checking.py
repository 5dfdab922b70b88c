"""A judge that cannot work is found out in seconds, by the name of the setting to change."""

import json
import time
from pathlib import Path

import pytest

from groundtune.benchmarks.judge import check
from groundtune.errors import JudgeError, SettingError
from groundtune.settings import JudgeSettings
from tests.scripted_judge import Say, scripted_judge
from tests.servers import free_port
from tests.unit.benchmarks.judge.requests import settings_of

KNOWN = Say(body=json.dumps({"object": "list", "data": [{"id": "other"}, {"id": "tiny"}]}).encode())


def test_a_listed_model_is_enough_and_costs_nothing(tmp_path: Path) -> None:
    with scripted_judge(Say(status=500), KNOWN) as server:
        check(settings_of(server, tmp_path))
    assert server.gets == ["/v1/models"] and server.asked == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "models",
    [Say(status=404), Say(status=500), Say(body=b"<html>"), Say(body=b'{"data": null}'), Say(body=b'{"data": []}')],
)
def test_without_a_list_that_names_the_model_one_token_decides(models: Say, tmp_path: Path) -> None:
    with scripted_judge(Say("Yes", finish_reason="length"), models) as server:
        check(settings_of(server, tmp_path))
        assert [asked.body["max_tokens"] for asked in server.asked] == [1]
        server.script = lambda asked, before: Say(status=404, body=b'{"detail": "no model tiny"}')
        with pytest.raises(JudgeError, match=r"no model tiny.*judge\.model"):
            check(settings_of(server, tmp_path))


def test_a_list_that_anybody_may_read_says_nothing_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "sk-wrong-one")
    refusal = Say(status=401, body=b'{"error": {"message": "no such key"}}')
    with scripted_judge(refusal, KNOWN) as server:
        with pytest.raises(JudgeError, match=r"judge\.api_key_variable"):
            check(settings_of(server, tmp_path, api_key_variable="MY_JUDGE_KEY"))
        assert len(server.asked) == 1


def test_a_list_that_drips_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundtune.benchmarks.judge.checking._SOON", 0.5)
    began = time.monotonic()
    with scripted_judge(Say("Yes"), Say(body=b" " * 200, drip=0.05)) as server:
        check(settings_of(server, tmp_path))
        assert len(server.asked) == 1, "one token of chat decides instead"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_its_variable(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "sk-wrong-one")
    with (
        scripted_judge(Say(), Say(status=status, body=b"sk-wrong-one is no key")) as server,
        pytest.raises(JudgeError, match=r"judge\.api_key_variable.*MY_JUDGE_KEY") as caught,
    ):
        check(settings_of(server, tmp_path, api_key_variable="MY_JUDGE_KEY"))
    assert "sk-wrong" not in str(caught.value)


def test_nobody_at_the_address_is_found_out_in_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(JudgeError, match=r"judge\.base_url"):
        check(settings_of(f"http://127.0.0.1:{free_port()}", tmp_path, max_attempts=6, backoff_base=10.0))
    assert time.monotonic() - began < 5.0


def test_a_server_that_is_not_ready_is_found_out_in_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        scripted_judge(Say(status=503, body=b"loading"), Say(status=503)) as server,
        pytest.raises(JudgeError, match="503.*loading"),
    ):
        check(settings_of(server, tmp_path, max_attempts=6, backoff_base=10.0, backoff_limit=60.0))
    assert time.monotonic() - began < 5.0


def test_no_address_is_nothing_to_check() -> None:
    check(JudgeSettings())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"base_url": "localhost:8000", "model": "m"}, "base_url"),
        ({"base_url": "ftp://host/v1", "model": "m"}, "base_url"),
        ({"base_url": "file:///etc/passwd", "model": "m"}, "base_url"),
        ({"base_url": "http://", "model": "m"}, "base_url"),
        ({"base_url": "http://host:port", "model": "m"}, "base_url"),
        ({"base_url": "http://host/?key=geheim", "model": "m"}, "base_url"),
        ({"base_url": "https://me:geheim@host/v1", "model": "m"}, "base_url"),
        ({"base_url": "me:geheim@host/v1", "model": "m"}, "base_url"),
        ({"base_url": "http://host"}, "model"),
        ({"api_key_variable": "sk-geheim"}, "api_key_variable"),
        ({"api_key_variable": "hf_geheimGEHEIM"}, "api_key_variable"),
        ({"extra_body": "{"}, "extra_body"),
        ({"extra_body": "[1]"}, "extra_body"),
        ({"extra_body": '{"stream": true}'}, "extra_body"),
        ({"concurrency": 0}, "concurrency"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_is_shown(given: dict, named: str) -> None:
    with pytest.raises(SettingError, match=f"setting '{named}' in judge") as caught:
        JudgeSettings.from_mapping(given, "judge")
    assert "geheim" not in str(caught.value)


def test_a_missing_key_is_found_out_before_anything_is_sent(tmp_path: Path) -> None:
    with scripted_judge(Say(), KNOWN) as server:
        with pytest.raises(SettingError, match=r"judge\.api_key_variable.*GROUNDTUNE_JUDGE_API_KEY.*not set"):
            check(JudgeSettings(base_url=server.url, model="tiny", cache=str(tmp_path)))
        assert server.gets == [] and server.asked == []
