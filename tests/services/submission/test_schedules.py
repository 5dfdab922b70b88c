"""A schedule is replaced without a moment in which two fire, and whatever fails, one is left or the error says so."""

import pytest

from groundtune.errors import SettingError
from pipelines.submission import schedules
from pipelines.submission.connection import Cluster, ClusterError
from pipelines.submission.runs import Submission
from pipelines.submission.schedules import Timing
from tests.kfp_server import HANG_UP, LARGEST_PAGE, State

pytestmark = pytest.mark.pipeline
NIGHTLY = Timing("0 0 3 * * *", "2026-12-01T00:00:00Z", "2027-12-01T00:00:00+01:00")
CREATE, SWITCH_OFF, SWITCH_ON, DELETE = (("POST", "recurringruns"), ("POST", ":disable"), ("POST", ":enable"),
                                         ("DELETE", "recurringruns"))  # fmt: skip


def made(cluster: Cluster, wanted: Submission, timing: Timing = NIGHTLY) -> str:
    return schedules.replace(cluster, wanted, timing, lambda words: None)


def enabled(state: State) -> list[str]:
    return [name for name, one in state.recurring.items() if one["mode"] == "ENABLE"]


def test_a_schedule_runs_alone_makes_up_for_nothing_and_starts_as_asked(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    new = made(cluster, wanted)
    (request,) = api[1].made("RecurringRunService_CreateRecurringRun")
    body = request.body
    assert body["mode"] == "DISABLE", "it is enabled when the one before is disabled"
    assert (body["no_catchup"], int(body["max_concurrency"])) == (True, 1)
    assert body["trigger"] == {
        "cron_schedule": {"cron": "0 0 3 * * *", "start_time": NIGHTLY.start, "end_time": NIGHTLY.end}
    }
    assert (body["display_name"], body["service_account"]) == ("nightly", "runner")
    assert body["runtime_config"]["parameters"] == wanted.arguments
    assert "answer-questions" in str(body["pipeline_spec"])
    assert enabled(api[1]) == [new]


def test_the_new_one_takes_the_place_of_the_old_and_two_never_fire(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    first = made(cluster, wanted)
    second = made(cluster, wanted, Timing("0 0 4 * * *"))
    assert first != second and list(api[1].recurring) == enabled(api[1]) == [second]
    assert api[1].most_enabled == 1


def test_a_schedule_of_another_name_or_experiment_is_left_alone(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    others = [
        made(cluster, Submission(wanted.package, name, wanted.arguments, where, "runner"))
        for name, where in (("weekly", "groundtune"), ("nightly", "elsewhere"), ("nightly-2", "groundtune"))
    ]
    new = made(cluster, wanted)
    assert sorted(enabled(api[1])) == sorted([*others, new])


@pytest.mark.parametrize("status", [500, 403, HANG_UP])
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (CREATE, "cannot make the schedule 'nightly' (what was there is as it was)"),
        (SWITCH_OFF, "the old schedule is as it was"),
        (SWITCH_ON, "the old schedule is as it was"),
    ],
)
def test_a_failure_before_the_switch_leaves_the_old_one(
    cluster: Cluster, api: tuple[str, State], wanted: Submission, step: tuple[str, str], words: str, status: int
) -> None:
    old = made(cluster, wanted)
    api[1].faults = [(*step, status)]
    with pytest.raises(ClusterError) as failed:
        made(cluster, wanted, Timing("0 0 4 * * *"))
    assert words in str(failed.value)
    assert enabled(api[1]) == [old] and api[1].most_enabled == 1
    new = made(cluster, wanted, Timing("0 0 4 * * *"))
    assert list(api[1].recurring) == [new], "what a failure left over goes with the next replacement"


def test_rather_none_than_two_when_nobody_knows_whether_the_new_one_fires(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    made(cluster, wanted)
    api[1].faults = [(*SWITCH_ON, HANG_UP), (*DELETE, 500)]
    with pytest.raises(ClusterError, match="may be enabled, the old one is disabled: run the command again"):
        made(cluster, wanted)
    assert api[1].most_enabled == 1
    new = made(cluster, wanted)
    assert list(api[1].recurring) == enabled(api[1]) == [new] and api[1].most_enabled == 1


def test_an_old_one_that_cannot_be_enabled_again_is_said(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    made(cluster, wanted)
    api[1].faults = [(*SWITCH_ON, 500), (*SWITCH_ON, 500)]
    with pytest.raises(ClusterError, match="the old schedule may be disabled: --enable it, or run the command again"):
        made(cluster, wanted)


def test_an_old_one_that_cannot_be_deleted_does_not_fire_and_is_said(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    made(cluster, wanted)
    api[1].faults = [(*DELETE, 500)]
    said: list[str] = []
    new = schedules.replace(cluster, wanted, NIGHTLY, said.append)
    assert enabled(api[1]) == [new] and len(api[1].recurring) == 2
    assert "the new schedule is in place, the old one is disabled" in said[0]


def test_an_interrupted_replacement_leaves_the_old_one(
    cluster: Cluster, api: tuple[str, State], wanted: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = made(cluster, wanted)
    disable = cluster.client.disable_recurring_run

    def interrupted(schedule: str) -> None:
        disable(schedule)
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster.client, "disable_recurring_run", interrupted)
    with pytest.raises(ClusterError, match="interrupted; the old schedule is as it was"):
        made(cluster, wanted)
    assert enabled(api[1]) == [old] == list(api[1].recurring)


def test_a_replacement_that_was_killed_is_healed_by_the_next(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    made(cluster, wanted)
    for one in api[1].recurring.values():  # as after kill -9 between the two switches
        one["mode"], one["status"] = "DISABLE", "DISABLED"
    made(cluster, wanted, Timing("0 0 4 * * *", paused=True))
    new = made(cluster, wanted)
    assert list(api[1].recurring) == enabled(api[1]) == [new]


def test_a_paused_schedule_waits_to_be_enabled(cluster: Cluster, api: tuple[str, State], wanted: Submission) -> None:
    made(cluster, wanted, Timing("0 0 3 * * *", paused=True))
    assert enabled(api[1]) == []
    (found,) = schedules.existing(cluster, schedules.experiment_id(cluster, "groundtune"), "nightly", "--enable")
    schedules.switch(cluster, [found], on=True)
    assert len(enabled(api[1])) == 1


def test_every_page_of_the_schedules_is_read(cluster: Cluster, api: tuple[str, State], wanted: Submission) -> None:
    names = [f"schedule-{i}" for i in range(2 * LARGEST_PAGE + 1)]
    for name in names:
        made(cluster, Submission(wanted.package, name, wanted.arguments, "groundtune", "runner"))
    experiment = schedules.experiment_id(cluster, "groundtune")
    assert {one.display_name for one in schedules.named(cluster, experiment)} == set(names)
    for name in names:
        made(cluster, Submission(wanted.package, name, wanted.arguments, "groundtune", "runner"))
    assert sorted(one["display_name"] for one in api[1].recurring.values()) == sorted(names)


def test_two_of_a_name_are_not_both_enabled(cluster: Cluster, api: tuple[str, State], wanted: Submission) -> None:
    made(cluster, wanted)
    (one,) = api[1].recurring.values()
    api[1].recurring["left-over"] = {**one, "recurring_run_id": "left-over", "mode": "DISABLE", "status": "DISABLED"}
    found = schedules.existing(cluster, one["experiment_id"], "nightly", "--enable")
    with pytest.raises(SettingError, match="a replacement was interrupted"):
        schedules.switch(cluster, found, on=True)


def test_an_unknown_name_is_answered_with_the_known_ones(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    made(cluster, wanted)
    (one,) = api[1].recurring.values()
    with pytest.raises(SettingError, match=r"'--delete' is 'nihgtly': expected .*\(nightly\)"):
        schedules.existing(cluster, one["experiment_id"], "nihgtly", "--delete")
