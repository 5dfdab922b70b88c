"""The log of champions on a real MLflow server: one successor a reign, whatever happens at the same moment."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from mlflow import MlflowClient

from groundtune.errors import PromotionError, SettingError, TrackingError
from groundtune.promotion.champions import Champions, Reign, described, previous_of
from pipelines.__main__ import main

ONES_AT_ONCE = 6


class Registry:
    """A registered model of a test alone, its versions made without weights: aliases point at any."""

    def __init__(self, uri: str):
        self.name, self.client = f"vlm-{uuid.uuid4().hex[:8]}", MlflowClient(uri)
        self.client.create_registered_model(self.name)
        self.champions = Champions(self.name)

    def version(self) -> str:
        return str(self.client.create_model_version(self.name, "s3://weights/of/nobody").version)

    def aliases(self) -> dict[str, str]:
        return {alias: str(version) for alias, version in self.client.get_registered_model(self.name).aliases.items()}


@pytest.fixture
def registry(mlflow_uri: str) -> Registry:
    return Registry(mlflow_uri)


@pytest.fixture
def in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of a laptop: a database without a server."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return Registry(uri)


def reigns(champions: Champions) -> list[tuple[str, str]]:
    return [(reign.version, reign.kind) for reign in champions.history()]


def test_promotions_and_rollbacks_move_the_aliases_and_stay_in_the_history(registry: Registry) -> None:
    champions = registry.champions
    assert champions.current() is None
    one, two, three = (registry.version() for _ in range(3))

    first = champions.promote(one, None, "the first", by="ada")
    assert registry.aliases() == {"champion": one}
    second = champions.promote(two, first, "CHAIRs fell")
    champions.promote(three, second, "again")
    assert registry.aliases() == {"champion": three, "previous": two}

    champions.rollback("worse in use")
    assert registry.aliases() == {"champion": two, "previous": one}
    champions.rollback("worse still")
    assert registry.aliases() == {"champion": one}, "a version that was left behind is no way back"
    with pytest.raises(PromotionError, match="never had another champion"):
        champions.rollback("further")

    last = champions.promote(three, champions.current(), "mended")
    assert registry.aliases() == {"champion": three, "previous": one}
    assert reigns(champions) == [
        (one, "promote"), (two, "promote"), (three, "promote"), (two, "rollback"), (one, "rollback"), (three, "promote")
    ]  # fmt: skip
    assert champions.history()[0] == first and first.by == "ada" and first.reasons == "the first"
    assert described(champions.history()).splitlines()[-1].split()[:3] == [str(last.number), three, "promote"]


def test_a_registry_without_a_server_does_the_same(in_a_file: Registry) -> None:
    champions, one, two = in_a_file.champions, in_a_file.version(), in_a_file.version()
    champions.promote(two, champions.promote(one, None, "the first"), "better")
    assert in_a_file.aliases() == {"champion": two, "previous": one}
    champions.rollback("worse in use")
    assert in_a_file.aliases() == {"champion": one}
    assert champions.version_of("champion") == one


@pytest.mark.parametrize("begun", [False, True], ids=["before the first champion", "after one"])
def test_of_several_that_follow_the_same_champion_at_the_same_moment_exactly_one_is_promoted(
    registry: Registry, begun: bool
) -> None:
    champions = registry.champions
    seen = champions.promote(registry.version(), None, "the first") if begun else None
    versions = [registry.version() for _ in range(ONES_AT_ONCE)]
    together = Barrier(ONES_AT_ONCE)

    def challenge(version: str) -> Reign | str:
        mine = Champions(registry.name)
        together.wait()
        try:
            return mine.promote(version, seen, "better")
        except PromotionError as error:
            return str(error)

    with ThreadPoolExecutor(ONES_AT_ONCE) as pool:
        ended = list(pool.map(challenge, versions))

    promoted = [one for one in ended if isinstance(one, Reign)]
    assert len(promoted) == 1
    refused = [one for one in ended if isinstance(one, str)]
    assert all(f"by now version {promoted[0].version} " in one and "not promoted" in one for one in refused)
    assert champions.current() == promoted[0]
    assert registry.aliases()["champion"] == promoted[0].version
    assert registry.aliases().get("previous") == (seen.version if seen else None)


def test_who_was_overtaken_earlier_is_refused_too(registry: Registry) -> None:
    champions = registry.champions
    first = champions.promote(registry.version(), None, "the first")
    second = champions.promote(registry.version(), first, "better")
    with pytest.raises(PromotionError, match=f"by now version {second.version} "):
        champions.promote(registry.version(), first, "late")
    assert champions.current() == second


def test_a_retried_promotion_finds_what_it_did(registry: Registry) -> None:
    champions, version = registry.champions, registry.version()
    made = champions.promote(version, None, "the first")
    assert champions.promote(version, None, "the first") == made
    assert len(champions.history()) == 1


def test_a_request_that_arrives_twice_is_one_reign(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    champions = registry.champions
    first = champions.promote(registry.version(), None, "the first")
    create = champions._client.create_model_version

    def twice(*given: Any, **named: Any) -> Any:
        create(*given, **named)  # whose answer is lost
        return create(*given, **named)

    monkeypatch.setattr(champions._client, "create_model_version", twice)
    made = champions.promote(registry.version(), first, "better")
    assert champions.history() == [first, made]


def test_aliases_that_a_killed_promotion_did_not_set_are_set_by_the_next_who_looks(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    champions = registry.champions
    one, two = registry.version(), registry.version()
    first = champions.promote(one, None, "the first")
    with monkeypatch.context() as killed:
        killed.setattr(champions, "set_aliases", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            champions.promote(two, first, "better")
    assert registry.aliases() == {"champion": one}, "readers see the old champion or the new one, never none"
    Champions(registry.name).set_aliases()
    assert registry.aliases() == {"champion": two, "previous": one}


def test_an_entry_that_was_deleted_or_made_by_hand_changes_nothing_about_the_others(registry: Registry) -> None:
    champions = registry.champions
    last = None
    for _ in range(4):
        last = champions.promote(registry.version(), last, "better")
    registry.client.create_model_version(champions.log, "s3://weights/of/nobody")
    registry.client.delete_model_version(champions.log, "3")
    assert champions.current() == last
    assert [reign.number for reign in champions.history()] == [1, 2, 4]
    following = champions.promote(registry.version(), last, "better")
    assert following.number == 6


def test_what_cannot_be_promoted_leaves_the_champion_alone(registry: Registry) -> None:
    champions = registry.champions
    with pytest.raises(PromotionError, match="has no champion"):
        champions.rollback("nothing there")
    first = champions.promote(registry.version(), None, "the first")
    with pytest.raises(TrackingError, match="99"):
        champions.promote("99", first, "no such version")
    assert champions.current() == first


def test_without_a_server_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SettingError, match="MLFLOW_TRACKING_URI"):
        Champions("model")


def test_previous_of_nothing_is_nothing() -> None:
    assert previous_of([]) is None


def test_the_commands_promote_go_back_and_tell_why(
    registry: Registry, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert main([*words, "--model", registry.name]) == 0
        return capsys.readouterr().out

    assert said("history") == f"{registry.name} never had a champion\n"
    one, two = registry.version(), registry.version()
    said("promote", "--version", one, "--reason", "the first")
    registry.client.set_registered_model_alias(registry.name, "challenger", two)
    assert said("promote", "--reason", "tried by hand").startswith(f"champion  version {two} ")
    assert registry.aliases() == {"champion": two, "previous": one, "challenger": two}
    assert said("rollback", "--reason", "it counts\nbadly").startswith(f"champion  version {one} ")
    told = said("history", "--reasons")
    assert "       it counts\n       badly" in told and told.count("promote") == 2
    assert main(["rollback", "--reason", "further", "--model", registry.name]) == 1
    assert "never had another champion" in capsys.readouterr().err
