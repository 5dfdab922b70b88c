"""The judge's client against a real server of the protocol (`transformers serve`), and its cache on a real S3 store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune import storage
from groundtune.benchmarks.judge import JudgeRequest, check, load_judge
from groundtune.errors import JudgeError
from groundtune.settings import JudgeSettings
from tests.scripted_judge import Say, scripted_judge
from tests.tiny_judge import TinyJudgeServer, serving, tiny_judge


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyJudgeServer]:
    folder = tmp_path_factory.mktemp("judge")
    with serving(tiny_judge(folder / "checkpoint"), folder / "server") as running:
        yield running


def settings_of(server: TinyJudgeServer, cache: str | Path, **given) -> JudgeSettings:
    given = {"model": server.model, "max_tokens": 24, "concurrency": 4, **given}
    return JudgeSettings(base_url=server.url, api_key_variable="", cache=str(cache), **given)


def read_rating(reply: str) -> str | None:
    _, found, rating = reply.partition("Rating: ")
    return rating.strip() if found else None


def requests_for(count: int) -> list[JudgeRequest]:
    texts = [f"Answer {number} names two dogs. {number % 7}" for number in range(count)]
    return [JudgeRequest(text, ({"role": "user", "content": text},), read_rating) for text in texts]


def test_a_real_model_behind_the_protocol_rates_every_answer(server: TinyJudgeServer, tmp_path: Path) -> None:
    judge = load_judge(settings_of(server, tmp_path))
    verdicts = judge.ask(requests_for(14))
    assert [verdict.rating for verdict in verdicts] == [str(number % 7) for number in range(14)]
    assert all(verdict.prompt_tokens > 20 and verdict.completion_tokens > 5 for verdict in verdicts)
    assert judge.usage["requests"] == 14 and judge.usage["without_usage"] == 0
    (served_as,) = judge.served["served_as"]
    assert served_as.startswith(server.model)

    again = load_judge(settings_of(server, tmp_path))
    assert [(v.reply, v.rating) for v in again.ask(requests_for(14))] == [(v.reply, v.rating) for v in verdicts]
    assert again.usage["requests"] == 0


def test_a_real_reply_cut_at_max_tokens_is_named(server: TinyJudgeServer, tmp_path: Path) -> None:
    (verdict,) = load_judge(settings_of(server, tmp_path, max_tokens=3, malformed_attempts=0)).ask(requests_for(1))
    assert verdict.rating is None and "judge.max_tokens" in verdict.problem


def test_preflight_accepts_the_real_server_and_refuses_another_model_of_it(
    server: TinyJudgeServer, tmp_path: Path
) -> None:
    check(settings_of(server, tmp_path))
    with pytest.raises(JudgeError, match=r"judge\.model"):
        check(settings_of(server, tmp_path, model="gpt-elsewhere"))


def test_a_server_killed_midway_is_an_error_and_a_restarted_one_goes_on(
    server: TinyJudgeServer, tmp_path: Path
) -> None:
    quick = {"max_attempts": 2, "backoff_base": 0.01}
    stream = load_judge(settings_of(server, tmp_path, concurrency=1, **quick)).ask_each(requests_for(60))
    assert next(stream).rating == "0"
    server.kill()
    with pytest.raises(JudgeError, match=r"judge\.base_url.*a restart asks only for what is missing"):
        list(stream)
    server.start()
    judge = load_judge(settings_of(server, tmp_path))
    verdicts = judge.ask(requests_for(60))
    assert [verdict.rating for verdict in verdicts] == [str(number % 7) for number in range(60)]
    assert verdicts[0].cached and judge.usage["requests"] == 60 - sum(verdict.cached for verdict in verdicts)


def test_the_cache_may_lie_on_s3_and_a_damaged_object_is_mended(bucket: str) -> None:
    with scripted_judge(Say("Rating: 4")) as scripted:
        settings = JudgeSettings(base_url=scripted.url, model="m", api_key_variable="", cache=f"{bucket}/replies")
        load_judge(settings).ask(requests_for(5))
        names = storage.list_files(settings.cache)
        assert len(names) == 5
        damaged = Path(storage.local_folder(settings.cache)) / names[0]
        damaged.write_text("{")
        storage.publish_file(damaged, storage.join(settings.cache, names[0]))
        verdicts = load_judge(settings).ask(requests_for(5))
        assert [verdict.rating for verdict in verdicts] == ["4"] * 5
        assert len(scripted.asked) == 6
        assert load_judge(settings).ask(requests_for(5))[0].cached


def test_the_cache_lies_below_the_state_store_of_the_run(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDTUNE_STATE", f"{bucket}/state")
    with scripted_judge(Say("Rating: 4")) as scripted:
        load_judge(JudgeSettings(base_url=scripted.url, model="m", api_key_variable="")).ask(requests_for(2))
    assert len(storage.list_files(f"{bucket}/state/judge")) == 2
