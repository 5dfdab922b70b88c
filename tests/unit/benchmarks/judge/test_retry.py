"""A judge's server that misbehaves is asked again as long as that can help, and named when it cannot."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from groundtune.benchmarks.judge import load_judge
from groundtune.benchmarks.judge.retry import Pace, backoff, retry_after
from groundtune.errors import JudgeError
from groundtune.settings import JudgeSettings
from tests.scripted_judge import Say, scripted_judge
from tests.unit.benchmarks.judge.requests import request, requests_for, settings_of

HICCUPS = {
    "rate limit": Say(status=429),
    "rate limit with a wait": Say(status=429, headers={"Retry-After": "0"}),
    "internal error": Say(status=500, body=b"Internal Server Error"),
    "bad gateway": Say(status=502, body=b"<html>bad gateway</html>"),
    "unavailable": Say(status=503),
    "gateway timeout": Say(status=504),
    "broken JSON": Say(body=b'{"choices": [{"message": {"content": "Rating: 5"'),
    "no JSON at all": Say(body=b"<html>welcome</html>"),
    "not UTF-8": Say(body=b'{"choices": "\xff\xfe"}'),
    "a list": Say(body=b"[]"),
    "no choices": Say(body=b'{"id": "x", "choices": []}'),
    "choices missing": Say(body=b'{"error": {"message": "upstream is gone"}}'),
    "a choice without a message": Say(body=b'{"choices": [{"index": 0}]}'),
    "null content": Say(content=None),
    "an empty body": Say(body=b""),
    "a cut connection": Say(reset=True),
    "no answer in time": Say(delay=3.0),
    "a body that drips": Say(drip=0.2),
}


@pytest.mark.parametrize("kind", HICCUPS)
def test_a_hiccup_is_asked_again_and_leaves_no_trace_in_the_verdict(kind: str, tmp_path: Path) -> None:
    with scripted_judge(lambda asked, before: HICCUPS[kind] if before < 2 else Say("Rating: 4")) as server:
        judge = load_judge(settings_of(server, tmp_path, timeout=0.6))
        (verdict,) = judge.ask([request("answer-1")])

    assert verdict.rating == "4" and not verdict.cached
    assert len(server.asked) == 3
    assert (judge.usage["requests"], judge.usage["retries"], judge.usage["replies"]) == (3, 2, 1)
    assert all(asked.body["seed"] == 0 for asked in server.asked), "asking again is the same question"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("rate limit", "429"),
        ("internal error", "500: 'Internal Server Error'"),
        ("broken JSON", "not JSON"),
        ("no choices", "no choices"),
        ("choices missing", "upstream is gone"),
        ("null content", "content is null"),
        ("a cut connection", "judge.base_url"),
        ("no answer in time", "judge.timeout"),
        ("a body that drips", "judge.timeout"),
    ],
)
def test_when_the_attempts_are_spent_the_error_names_the_record_and_the_last_problem(
    kind: str, words: str, tmp_path: Path
) -> None:
    with scripted_judge(HICCUPS[kind]) as server:
        judge = load_judge(settings_of(server, tmp_path, timeout=0.4, max_attempts=2))
        with pytest.raises(JudgeError) as caught:
            judge.ask([request("mmhal/17")])
    assert 'id="mmhal/17"' in str(caught.value) and "in 2 attempts (judge.max_attempts)" in str(caught.value)
    assert words in str(caught.value)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("say", "named"),
    [
        (Say(status=400, body=b'{"error": {"message": "no such parameter"}}'), "judge.extra_body"),
        (Say(status=401, body=b'{"error": {"message": "bad key"}}'), "judge.api_key_variable"),
        (Say(status=403, body=b'{"detail": "not yours"}'), "judge.api_key_variable"),
        (Say(status=404, body=b'{"detail": "no such model"}'), "judge.model"),
        (Say(status=404, body=b"nothing here"), "judge.base_url"),
        (Say(status=301, headers={"Location": "/elsewhere"}), "judge.base_url"),
        (Say(status=429, body=b'{"error": {"code": "insufficient_quota", "message": "pay"}}'), "quota"),
        (Say(status=429, headers={"Retry-After": "7200"}), "judge.longest_wait"),
    ],
)
def test_what_asking_again_cannot_mend_stops_the_run_at_once(say: Say, named: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with scripted_judge(say) as server:
        judge = load_judge(settings_of(server, tmp_path, concurrency=2, backoff_base=30.0, backoff_limit=60.0))
        with pytest.raises(JudgeError, match=named.replace(".", r"\.")) as caught:
            judge.ask(requests_for(40))
    assert time.monotonic() - began < 5.0
    assert len(server.asked) <= 4, "the rest of the queue is not sent"
    if say.body and say.body.startswith(b"{"):
        error = json.loads(say.body)
        assert (error.get("detail") or error["error"]["message"]) in str(caught.value)


def test_a_fatal_answer_ends_the_waiting_of_the_other_threads(tmp_path: Path) -> None:
    def script(asked, before):
        return Say(status=503) if "answer-0" in asked.text else Say(status=401, delay=0.2)

    began = time.monotonic()
    with scripted_judge(script) as server:
        judge = load_judge(settings_of(server, tmp_path, concurrency=2, backoff_base=30.0, backoff_limit=60.0))
        with pytest.raises(JudgeError, match="401"):
            judge.ask(requests_for(2))
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured_by_all_threads(form: str, tmp_path: Path) -> None:
    def script(asked, before):
        if server.asked[0] is not asked:
            return Say("Rating: 1")
        at = datetime.now(UTC) + timedelta(seconds=2.5)  # a date has whole seconds: 1.5 s at least
        return Say(
            status=429, headers={"Retry-After": "1.5" if form == "seconds" else format_datetime(at, usegmt=True)}
        )

    with scripted_judge(script) as server:
        settings = settings_of(server, tmp_path, concurrency=1)
        verdicts = load_judge(settings).ask(requests_for(3))
    assert [verdict.rating for verdict in verdicts] == ["1"] * 3
    first, *others = [asked.when for asked in server.asked]
    assert min(others) - first >= 1.4


def test_retry_after_is_read_in_every_form_that_http_allows() -> None:
    now = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
    assert retry_after("120") == 120.0
    assert retry_after(" 0.5 ") == 0.5
    assert retry_after("Sat, 21 Nov 2026 10:01:00 GMT", now) == 60.0
    assert retry_after("Saturday, 21-Nov-26 10:01:00 GMT", now) == 60.0
    assert retry_after("Sat, 21 Nov 2026 10:01:00 -0000", now) == 60.0
    assert retry_after("Sat, 21 Nov 2026 09:00:00 GMT", now) == 0.0
    assert retry_after("-3") == 0.0
    for nothing in (None, "", "soon", "nan", "inf"):
        assert retry_after(nothing) is None


def test_backoff_doubles_to_its_limit_with_half_of_it_by_chance() -> None:
    settings = JudgeSettings(backoff_base=1.0, backoff_limit=60.0)
    for failures, whole in ((1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (5000, 60.0)):
        waits = [backoff(settings, failures) for _ in range(200)]
        assert whole / 2 <= min(waits) < max(waits) <= whole
        assert max(waits) - min(waits) > whole / 4


def test_requests_per_minute_spaces_the_requests_of_all_threads(tmp_path: Path) -> None:
    with scripted_judge(Say()) as server:
        load_judge(settings_of(server, tmp_path, concurrency=4, requests_per_minute=600)).ask(requests_for(6))
    gaps = [later.when - earlier.when for earlier, later in zip(server.asked, server.asked[1:], strict=False)]
    assert sum(gaps) >= 0.45 and min(gaps) > 0.05


def test_a_pace_without_a_limit_does_not_wait() -> None:
    began = time.monotonic()
    pace = Pace(0)
    for _ in range(1000):
        pace.wait_for_turn()
    assert time.monotonic() - began < 0.5
