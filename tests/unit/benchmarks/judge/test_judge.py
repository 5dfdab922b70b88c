"""Verdicts keep their order, replies are paid for once, and the key stays where it is."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundtune.benchmarks.judge import JudgeRequest, load_judge
from groundtune.errors import JudgeError, SettingError
from groundtune.settings import JudgeSettings
from tests.scripted_judge import Asked, Say, scripted_judge
from tests.unit.benchmarks.judge.requests import read_rating, request, requests_for, settings_of

ROOT = Path(__file__).parents[4]
KEY = "sk-very-secret-0123456789"


def number_of(asked: Asked) -> int:
    return int(asked.text.rstrip("?").rpartition("-")[2])


def test_verdicts_come_in_the_order_of_the_requests_however_slow_one_is(tmp_path: Path) -> None:
    def script(asked, before):
        return Say(f"Rating: {number_of(asked) % 7}", delay=0.15 if number_of(asked) % 5 == 0 else 0.0)

    with scripted_judge(script) as server:
        verdicts = load_judge(settings_of(server, tmp_path, concurrency=8)).ask(requests_for(40))
    assert [verdict.rating for verdict in verdicts] == [str(number % 7) for number in range(40)]
    assert [number_of(asked) for asked in server.asked] != list(range(40)), "nothing was asked out of order"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_allowed_and_that_many_are(concurrency: int, tmp_path: Path) -> None:
    with scripted_judge(Say(delay=0.05)) as server:
        load_judge(settings_of(server, tmp_path, concurrency=concurrency)).ask(requests_for(12))
    assert server.most_at_once == concurrency


def test_a_stream_of_requests_is_read_only_as_far_as_needed(tmp_path: Path) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield request(f"answer-{taken}")

    with scripted_judge(Say()) as server:
        stream = load_judge(settings_of(server, tmp_path, concurrency=2)).ask_each(endless())
        assert [next(stream).rating for _ in range(100)] == ["3"] * 100
        stream.close()
    assert taken < 200


def test_replies_out_of_the_cache_are_the_same_and_cost_nothing(tmp_path: Path) -> None:
    with scripted_judge(lambda asked, before: Say(f"Rating: {number_of(asked)}", fingerprint="fp_1")) as server:
        settings = settings_of(server, tmp_path, prompt_price=2.0, completion_price=10.0)
        judge = load_judge(settings)
        first = judge.ask(requests_for(5))
        again = load_judge(settings)
        second = again.ask(requests_for(5))
    assert len(server.asked) == 5
    assert [(v.reply, v.rating) for v in first] == [(v.reply, v.rating) for v in second]
    assert [v.cached for v in first + second] == [False] * 5 + [True] * 5
    assert judge.identity == again.identity and judge.served == again.served, "a restart is the same judge"
    assert judge.served == {"served_as": ["tiny"], "system_fingerprints": ["fp_1"]}
    assert judge.usage["cost"] == pytest.approx(5 * (10 * 2.0 + 5 * 10.0) / 1e6)
    assert (again.usage["cost"], again.usage["prompt_tokens"], again.usage["cached_prompt_tokens"]) == (0.0, 0, 50)
    assert (second[0].prompt_tokens, second[0].completion_tokens) == (10, 5)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "another"},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"seed": 1},
        {"extra_body": '{"top_p": 0.5}'},
    ],
)
def test_another_model_or_decoding_is_asked_anew(other: dict, tmp_path: Path) -> None:
    with scripted_judge(Say()) as server:
        load_judge(settings_of(server, tmp_path)).ask([request("answer-1")])
        (verdict,) = load_judge(settings_of(server, tmp_path, **other)).ask([request("answer-1")])
    assert not verdict.cached and len(server.asked) == 2


@pytest.mark.parametrize("other", [{"timeout": 9.0}, {"concurrency": 1}, {"max_attempts": 2}, {"prompt_price": 1.0}])
def test_what_does_not_change_a_reply_does_not_change_its_key(other: dict, tmp_path: Path) -> None:
    with scripted_judge(Say()) as server:
        load_judge(settings_of(server, tmp_path)).ask([request("answer-1")])
        (verdict,) = load_judge(settings_of(server, tmp_path, **other)).ask([request("answer-1")])
    assert verdict.cached


def test_the_address_with_and_without_v1_is_one_server(tmp_path: Path) -> None:
    with scripted_judge(Say()) as server:
        for url in ("", "/", "/v1", "/v1/", "/v1/chat/completions"):
            load_judge(settings_of(server.url + url, tmp_path)).ask([request("answer-1")])
        load_judge(settings_of(server.url + "/api/paas/v4", tmp_path)).ask([request("answer-1")])
    assert [asked.path for asked in server.asked] == ["/v1/chat/completions", "/api/paas/v4/chat/completions"]


def test_equal_questions_are_paid_for_once_even_at_the_same_time(tmp_path: Path) -> None:
    with scripted_judge(Say(delay=0.1)) as server:
        verdicts = load_judge(settings_of(server, tmp_path)).ask([request("answer-1")] * 8)
    assert len(server.asked) == 1 and [verdict.rating for verdict in verdicts] == ["3"] * 8


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"key": "other", "reply": {}}', "swapped", "typed"]
)
def test_a_damaged_cache_entry_is_asked_again_and_mended(damage: bytes | str, tmp_path: Path) -> None:
    with scripted_judge(lambda asked, before: Say(f"Rating: {number_of(asked)}")) as server:
        settings = settings_of(server, tmp_path)
        load_judge(settings).ask(requests_for(2))
        files = sorted(tmp_path.rglob("*.json"))
        assert len(files) == 2
        if damage == "swapped":
            damage = files[1].read_bytes()
        elif damage == "typed":
            damage = files[0].read_bytes().replace(b'"prompt_tokens": 10', b'"prompt_tokens": "10"')
        files[0].write_bytes(damage)
        verdicts = load_judge(settings).ask(requests_for(2))
        assert [verdict.rating for verdict in verdicts] == ["0", "1"]
        assert len(server.asked) == 3
        assert all(verdict.cached for verdict in load_judge(settings).ask(requests_for(2)))


def test_a_malformed_verdict_is_asked_again_with_another_seed_and_then_left_unrated(tmp_path: Path) -> None:
    def script(asked, before):
        good = "answer-1" in asked.text and before == 1
        return Say("Rating: 2" if good else "I would rather not say.")

    with scripted_judge(script) as server:
        settings = settings_of(server, tmp_path, malformed_attempts=2)
        judge = load_judge(settings)
        mended, malformed = judge.ask([request("answer-1"), request("answer-2")])
        assert (mended.rating, mended.prompt_tokens) == ("2", 20)
        assert malformed.rating is None and malformed.reply == "I would rather not say."
        assert "no verdict can be read" in malformed.problem
        seeds = [asked.body["seed"] for asked in server.asked if "answer-2" in asked.text]
        assert seeds == [0, 1, 2]
        assert judge.usage["malformed"] == 1
        again = load_judge(settings).ask([request("answer-1"), request("answer-2")])
        assert [verdict.rating for verdict in again] == ["2", None] and all(verdict.cached for verdict in again)
    assert len(server.asked) == 5


def test_a_truncated_reply_counts_when_it_holds_the_verdict_and_is_named_when_not(tmp_path: Path) -> None:
    def script(asked, before):
        text = "Rating: 5, because" if "answer-1" in asked.text else "Let me think about"
        return Say(text, finish_reason="length")

    with scripted_judge(script) as server:
        judge = load_judge(settings_of(server, tmp_path, malformed_attempts=1))
        whole, cut = judge.ask(requests_for(3)[1:])
    assert whole.rating == "5"
    assert cut.rating is None and "judge.max_tokens" in cut.problem
    assert judge.usage["truncated"] == 3


@pytest.mark.parametrize(
    ("say", "problem"),
    [
        (Say(None, finish_reason="content_filter"), "content filter"),
        (Say(status=400, body=b'{"error": {"code": "content_filter", "message": "no"}}'), "content filter"),
        (Say(status=400, body=b'{"error": {"code": "context_length_exceeded"}}'), "context"),
        (Say(status=400, body=b'{"message": "This model\'s maximum context length is 2048 tokens."}'), "context"),
    ],
)
def test_a_record_that_the_server_will_not_judge_is_left_unrated_and_the_others_go_on(
    say: Say, problem: str, tmp_path: Path
) -> None:
    with scripted_judge(lambda asked, before: say if "answer-1?" in asked.text else Say()) as server:
        verdicts = load_judge(settings_of(server, tmp_path)).ask(requests_for(4))
    assert [verdict.rating for verdict in verdicts] == ["3", None, "3", "3"]
    assert problem in verdicts[1].problem
    assert len(server.asked) == 4, "the same question would be refused again"


def test_a_record_that_fails_for_good_does_not_lose_the_others(tmp_path: Path) -> None:
    with scripted_judge(lambda asked, before: Say(status=500) if "answer-3?" in asked.text else Say()) as server:
        settings = settings_of(server, tmp_path, concurrency=2, max_attempts=2)
        with pytest.raises(JudgeError, match='id="answer-3".*a restart asks only for what is missing'):
            load_judge(settings).ask(requests_for(20))
        server.script = lambda asked, before: Say()
        asked_before = len(server.asked)
        verdicts = load_judge(settings).ask(requests_for(20))
    assert [verdict.cached for verdict in verdicts] == [number != 3 for number in range(20)]
    assert len(server.asked) == asked_before + 1


def test_a_server_that_is_gone_is_not_asked_for_every_record(tmp_path: Path) -> None:
    with scripted_judge(Say(status=503)) as server:
        with pytest.raises(JudgeError, match="3 records in a row failed"):
            load_judge(settings_of(server, tmp_path, concurrency=1, max_attempts=2)).ask(requests_for(500))
        assert len(server.asked) <= 8


def test_a_killed_run_goes_on_from_its_cache(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from groundtune.benchmarks.judge import load_judge\n"
        "from tests.unit.benchmarks.judge.requests import requests_for, settings_of\n"
        "load_judge(settings_of(sys.argv[1], sys.argv[2], concurrency=2)).ask(requests_for(40))\n"
    )
    cache = tmp_path / "cache"
    with scripted_judge(lambda asked, before: Say(f"Rating: {number_of(asked) % 7}", delay=0.1)) as server:
        child = subprocess.Popen([sys.executable, "-c", program, server.url, str(cache)], cwd=ROOT)
        deadline = time.monotonic() + 60
        while len(list(cache.rglob("*.json"))) < 8:
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        server.script = lambda asked, before: Say(f"Rating: {number_of(asked) % 7}")
        paid = len(list(cache.rglob("[0-9a-f]*.json")))
        asked_before = len(server.asked)
        verdicts = load_judge(settings_of(server, cache)).ask(requests_for(40))
    assert [verdict.rating for verdict in verdicts] == [str(number % 7) for number in range(40)]
    assert 8 <= paid < 40
    assert sum(verdict.cached for verdict in verdicts) == paid
    assert len(server.asked) - asked_before == 40 - paid


def test_the_key_is_sent_and_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", KEY)
    caplog.set_level(logging.DEBUG)

    def script(asked, before):
        if "answer-1?" in asked.text:
            return Say(status=500, body=f'{{"error": {{"message": "key {KEY} met a bug"}}}}'.encode())
        return Say(f"Rating: 3, {asked.key}", model=f"m {KEY}", fingerprint=KEY)

    with scripted_judge(script) as server:
        settings = settings_of(server, tmp_path, api_key_variable="MY_JUDGE_KEY", max_attempts=2)
        judge = load_judge(settings)
        with pytest.raises(JudgeError, match=r"key \*\*\* met a bug") as caught:
            judge.ask(requests_for(3))
        verdicts = judge.ask([request("answer-0")])
        server.script = lambda asked, before: Say(status=401, body=f"Incorrect key {asked.key}".encode())
        with pytest.raises(JudgeError, match="401") as refused:
            load_judge(settings).ask([request("answer-9")])
    assert {asked.key for asked in server.asked} == {f"Bearer {KEY}"}
    told = [str(caught.value), repr(caught.value), str(refused.value), repr(verdicts), repr(judge.__dict__)]
    told += [
        str(judge.identity),
        str(judge.served),
        str(judge.usage),
        str(settings.to_mapping()),
        caplog.text,
        *capsys.readouterr(),
    ]
    told += [file.read_text() for file in tmp_path.rglob("*.json")]
    assert len(told) > 10
    assert not [text for text in told if KEY in text]


def test_without_a_key_no_credentials_are_sent_not_even_those_of_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with scripted_judge(Say()) as server:
        load_judge(settings_of(server, tmp_path / "cache")).ask([request("answer-1")])
    assert [asked.key for asked in server.asked] == [""]


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "schlüssel"])
def test_a_variable_that_holds_no_key_is_named_and_its_value_is_not(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", value)
    with pytest.raises(SettingError, match=r"judge.api_key_variable.*MY_JUDGE_KEY") as caught:
        load_judge(JudgeSettings(base_url="http://127.0.0.1:9", model="m", api_key_variable="MY_JUDGE_KEY"))
    assert not value.strip() or value not in str(caught.value)


def test_no_address_is_no_judge() -> None:
    assert load_judge(JudgeSettings()) is None


def test_further_fields_are_sent_and_null_takes_one_of_ours_away(tmp_path: Path) -> None:
    extra = '{"max_tokens": null, "max_completion_tokens": 64, "chat_template_kwargs": {"enable_thinking": false}}'
    with scripted_judge(Say()) as server:
        load_judge(settings_of(server, tmp_path, extra_body=extra)).ask([request("answer-1")])
    sent = server.asked[0].body
    assert "max_tokens" not in sent and sent["max_completion_tokens"] == 64
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["messages"] == [{"role": "user", "content": "How good is answer-1?"}]


def test_half_a_character_in_a_reply_can_be_stored(tmp_path: Path) -> None:
    body = b'{"choices": [{"message": {"content": "Rating: 3 \\ud83d"}}]}'
    with scripted_judge(Say(body=body)) as server:
        judge = load_judge(settings_of(server, tmp_path))
        (verdict,) = judge.ask([request("answer-1")])
    assert verdict.rating == "3" and verdict.reply.encode()
    assert judge.usage["without_usage"] == 1


def test_a_fault_of_the_reader_is_not_taken_for_a_fault_of_the_judge(tmp_path: Path) -> None:
    def read(reply: str) -> str:
        raise ZeroDivisionError

    with scripted_judge(Say()) as server, pytest.raises(ZeroDivisionError):
        load_judge(settings_of(server, tmp_path)).ask([JudgeRequest("a", request("a").messages, read)])
    assert read_rating("Rating: 3") == "3"


@pytest.mark.parametrize(
    ("content", "rating"),
    [
        ("<think>Rating: 1? No, there is a cat.</think>\nRating: 5", "5"),
        ("Rating: 1 might do, but\nno.</think>Rating: 5", "5"),  # the opening tag was in the prompt
        ("<think>a</think>Rating: 4<think>Rating: 0</think>", "4"),
        ("<think>Rating: 2, or is it", None),  # cut off in thought
        ("Rating: 3", "3"),
    ],
)
def test_what_a_reasoning_judge_only_considered_is_no_verdict(tmp_path: Path, content: str, rating: str | None) -> None:
    with scripted_judge(Say(content)) as server:
        verdict = load_judge(settings_of(server, tmp_path, malformed_attempts=0)).ask(requests_for(1))[0]
    assert verdict.rating == rating
    assert verdict.reply == content, "what was said is kept whole"
