"""A round of retraining from opening to end, on a real registry: promoted, refused, overtaken, killed, failed."""

import json
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.digests import digest_of
from groundtune.errors import CheckpointError, LeaseError, PromotionError, SettingError
from groundtune.promotion.champions import Champions
from groundtune.promotion.registry import register
from groundtune.promotion.steps import history, promote, rollback
from groundtune.retraining import closing, deciding, opening
from groundtune.retraining.closing import leave
from groundtune.retraining.following import follow
from groundtune.rounds.intake import Rounds
from groundtune.rounds.lease import Leases
from groundtune.rounds.record import RoundRecord, decided_in, stories
from groundtune.settings import RegistrySettings, RoundsSettings
from groundtune.vlm.checkpoints import checkpoint_digest
from tests.unit.comparison.worlds import Skill, evaluation

BASE, BETTER, BEST = (Skill(invents, 1.0, -1.0, 0.0) for invents in (0.6, 0.3, 0.0))
SETTINGS = {"minimum_rows": 2}
MEASURED = {"benchmarks": dict.fromkeys(("chair", "pope_random", "pope_popular", "pope_adversarial"), "file")}
PROMPT = {
    "id": "a", "image": "a.png", "image_sha256": "", "image_width": 9, "image_height": 9, "instruction": "Describe.",
    "reference_answer": "", "tags": [], "chosen": "", "rejected": "",
}  # fmt: skip


@dataclass
class Retraining:
    """One inbox, its rounds and a registered model; answers are made up, everything else is real."""

    root: Path
    name: str
    models: tuple[Path, Path]
    patch: pytest.MonkeyPatch

    @property
    def rounds(self) -> str:
        return str(self.root / "rounds")

    @property
    def champions(self) -> Champions:
        return Champions(self.name)

    def arrive(self, *names: str) -> None:
        (self.root / "inbox").mkdir(exist_ok=True)
        rows = [json.dumps({"id": name, "image": f"{name}.png", "instruction": "Describe."}) for name in names]
        (self.root / "inbox" / f"{uuid.uuid4().hex}.jsonl").write_text("\n".join(rows) + "\n")

    def open(self, run: str, **settings: Any) -> opening.Opened:
        self.patch.setenv("GROUNDTUNE_RUN_ID", run)
        registry = {"model_name": self.name}
        given = (str(self.root / "inbox"), self.rounds, self.root / "summary.md", {**SETTINGS, **settings}, registry)
        return opening.run(*given, {}, MEASURED, {})

    def words(self) -> str:
        return (self.root / "summary.md").read_text()

    def challenge(self, skill: Skill, champion: Skill, rejected: int = 0) -> dict[str, Any]:
        """What stands before close_round: a registered challenger and the gate's verdict of it."""
        folder = self.root / uuid.uuid4().hex
        answers = [
            evaluation(folder / who, one, 0, 120, weights=f"{folder.name} {who}")
            for who, one in (("champion", champion), ("challenger", skill), ("base", BASE))
        ]
        uri = register(self.models[1], str(self.models[0]), answers[1], RegistrySettings(model_name=self.name)).uri
        prompts = ArtifactWriter(folder / "prompts", "prompts", {}, {"prompts": digest_of(folder.name)})
        prompts.write_part(0, [PROMPT], [reject(f"x{i}", "image", "gone") for i in range(rejected)])
        prompts.finish(1 + rejected, max_rejected_share=1.0)
        pairs = ArtifactWriter(folder / "pairs", "pairs", {}, {"scores": digest_of(folder.name)})
        pairs.write_part(0, [])
        pairs.finish(0)
        paths = [one.path for one in answers]
        found = deciding.run(*paths, folder / "prompts", folder / "verdict", folder / "verdict.md", {})
        assert found.markdown() == (folder / "verdict.md").read_text()
        return {"verdict": folder / "verdict", "pairs": folder / "pairs", "challenger": uri}

    def close(self, opened: opening.Opened, made: dict[str, Any], **settings: Any) -> RoundRecord:
        return closing.run(
            self.rounds,
            opened.place,
            **made,
            champion=opened.champion,
            reign=opened.reign,
            policy_adapter=opened.policy_adapter,
            drift={"confidence": {"psi": 0.4, "ks": 0.1}, "warnings": ["look"]},
            settings={**SETTINGS, **settings},
            registry={"model_name": self.name},
        )

    def states(self) -> list[str]:
        return [story.state for story in stories(self.rounds)]


@pytest.fixture
def retraining(tmp_path: Path, name: str, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Retraining:
    return Retraining(tmp_path, name, models, monkeypatch)


def test_three_rounds_promote_refuse_and_promote(retraining: Retraining, mlflow_uri: str) -> None:
    retraining.arrive("a", "b")
    first = retraining.open("run-1")
    assert first.work and (first.champion, first.reign, first.policy_adapter) == ("", 0, "")
    made = retraining.close(first, retraining.challenge(BETTER, BASE))
    assert made.promote and made.parent == "" and made.policy == "base"

    retraining.arrive("c", "d")
    second = retraining.open("run-2")
    assert second.work and second.champion == made.challenger
    assert checkpoint_digest(second.champion_adapter) == checkpoint_digest(retraining.models[1])
    assert second.champion_base == checkpoint_digest(retraining.models[0])
    assert second.policy_adapter == second.champion_adapter
    refused = retraining.close(second, retraining.challenge(BASE, BETTER))
    assert not refused.promote and refused.parent == made.challenger and refused.warnings == ["look"]
    assert retraining.champions.version_of("champion") == made.challenger

    retraining.arrive("e", "f")
    third = retraining.close(retraining.open("run-3"), retraining.challenge(BEST, BETTER))
    assert retraining.champions.version_of("champion") == third.challenger
    assert retraining.champions.version_of("previous") == made.challenger
    assert retraining.states() == ["promoted", "refused", "promoted"]
    tags = MlflowClient(mlflow_uri).get_model_version(retraining.name, third.challenger).tags
    assert tags["groundtune.round"] == "3" and tags["groundtune.parent"] == made.challenger
    assert tags["groundtune.verdict"].startswith("Promote: all")
    experiment = MlflowClient(mlflow_uri).get_experiment_by_name(retraining.name)
    runs = MlflowClient(mlflow_uri).search_runs([experiment.experiment_id], "tags.`groundtune.run_id` = 'run-3'")
    assert len(runs) == 1 and runs[0].data.tags["groundtune.promoted"] == "True"
    assert runs[0].data.tags["groundtune.verdict"] == tags["groundtune.verdict"]
    assert "chair/chairs is better" in retraining.champions.history()[-1].reasons

    for _ in range(2):  # a task that is tried again
        rollback(retraining.name, "worse in use")
    assert retraining.champions.version_of("champion") == made.challenger
    promote(retraining.name, third.challenger, "it was not")
    told = history(retraining.name, retraining.root / "history.md")
    assert "it was not" in told and "worse in use" in told and (retraining.root / "history.md").read_text() == told


def test_too_few_rows_are_nothing_to_do_and_wait(retraining: Retraining) -> None:
    retraining.arrive("a")
    assert not retraining.open("run-1").work
    assert retraining.words().startswith("**Nothing to do: fewer than 2 new rows")
    retraining.arrive("b")
    assert retraining.open("run-2").work, "nobody holds the lease any more"


def test_of_two_retrainings_one_has_nothing_to_do(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    assert opened.work and not retraining.open("run-2").work
    assert retraining.words().startswith("**Nothing to do: run-1 is retraining, until")
    assert leave(retraining.rounds, "run-2", "FINISHED", "") == "", "and it gives back nothing that is not its own"
    assert retraining.open("run-1") == opened, "a task that is tried again has its round"


def test_a_round_that_outlived_its_lease_ends_unless_another_run_has_it(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    made = retraining.challenge(BETTER, BASE)
    leases = Leases(retraining.rounds)
    leases.release("run-1")
    leases.take("run-2", 1)
    with pytest.raises(LeaseError, match="run-2 is retraining"):
        retraining.close(opened, made)
    assert retraining.champions.current() is None
    leases.release("run-2")
    assert retraining.close(opened, made).promote and leases.held() is None


def test_a_round_that_another_run_has_ended_is_decided_no_more(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    made = retraining.challenge(BETTER, BASE)
    leave(retraining.rounds, "run-1", "FAILED", "no node")
    with pytest.raises(LeaseError, match="round 1 was ended by another run, failed: no node"):
        retraining.close(opened, made)
    assert retraining.champions.current() is None and decided_in(opened.place) is None


def test_two_on_rounds_of_their_own_promote_one(retraining: Retraining, tmp_path: Path) -> None:
    other = Retraining(tmp_path / "other", retraining.name, retraining.models, retraining.patch)
    other.root.mkdir()
    for one in (retraining, other):
        one.arrive("a", "b")
    opened = [retraining.open("run-1"), other.open("run-2")]
    made = [one.challenge(BETTER, BASE) for one in (retraining, other)]
    retraining.patch.setenv("GROUNDTUNE_RUN_ID", "run-1")
    first = retraining.close(opened[0], made[0])
    other.patch.setenv("GROUNDTUNE_RUN_ID", "run-2")
    with pytest.raises(PromotionError, match="hold it against the present champion"):
        other.close(opened[1], made[1])
    assert [reign.version for reign in retraining.champions.history()] == [first.challenger]
    assert other.states() == ["failed"]
    with pytest.raises(PromotionError, match="round 1 was overtaken"):
        other.close(opened[1], made[1])  # a task that is tried again
    leave(other.rounds, "run-2", "FAILED", "overtaken")
    assert other.open("run-3").champion == first.challenger, "its rows are held against the new champion next time"


def dies(*given: Any, **named: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed", ["before the promotion", "before the end"])
def test_what_a_killed_run_had_decided_is_finished_by_the_next(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    made = retraining.challenge(BETTER, BASE)

    with monkeypatch.context() as patch:
        patch.setattr(*((Champions, "promote", dies) if killed == "before the promotion" else (Rounds, "end", dies)))
        with pytest.raises(KeyboardInterrupt):
            retraining.close(opened, made)
    assert bool(retraining.champions.current()) == (killed == "before the end")
    leave(retraining.rounds, "run-1", "KILLED", "")
    assert not retraining.open("run-2").work
    version = made["challenger"].rpartition("/")[2]
    told = f"**Round 1: version {version} of {retraining.name} is champion. Nothing to do"
    assert retraining.words().startswith(told)
    assert [reign.version for reign in retraining.champions.history()] == [version]
    assert retraining.states() == ["promoted"]


def test_two_that_follow_one_decision_promote_it_once(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    made = retraining.challenge(BETTER, BASE)
    promoted = Champions.promote

    def twice(champions: Champions, version: str, after: Any, reasons: str, by: str = "") -> Any:
        promoted(champions, version, after, reasons, by="run-2")  # the other one, a moment before
        return champions._append(version, after, "promote", reasons, by)

    monkeypatch.setattr(Champions, "promote", twice)
    version = retraining.close(opened, made).challenger
    assert [reign.version for reign in retraining.champions.history()] == [version]
    assert retraining.states() == ["promoted"]


def test_a_decision_that_comes_too_late_is_told_and_its_rows_wait(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    made = retraining.challenge(BETTER, BASE)
    with monkeypatch.context() as patch:
        patch.setattr(Champions, "promote", dies)
        with pytest.raises(KeyboardInterrupt):
            retraining.close(opened, made)
    by_hand = retraining.challenge(BEST, BASE)["challenger"].rpartition("/")[2]
    retraining.champions.promote(by_hand, None, "by hand")
    leave(retraining.rounds, "run-1", "KILLED", "")
    again = retraining.open("run-2")
    assert again.work and again.champion == by_hand
    assert "Round 1 had decided, too late" in retraining.words()
    assert [story.rows["new"] for story in stories(retraining.rounds)] == [2, 2]


def test_a_failed_round_leaves_the_champion_alone_and_its_rows_to_the_next(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    retraining.open("run-1")
    words = leave(retraining.rounds, "run-1", "FAILED", "train_dpo: no memory")
    assert words == "round 1 failed: its rows are the next one's"
    assert retraining.champions.current() is None
    retraining.arrive("c")
    assert retraining.open("run-2").work
    told = stories(retraining.rounds)
    assert [(story.state, story.why, story.rows["new"]) for story in told] == [
        ("failed", "train_dpo: no memory", 2), ("running", "", 3),
    ]  # fmt: skip


def test_a_cancelled_round_is_gone_on_with(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    opened = retraining.open("run-1")
    assert leave(retraining.rounds, "run-1", "KILLED", "") == "the lease is given back"
    retraining.arrive("c", "d")
    assert retraining.open("run-2") == opened, "with the rows it had"


def test_refused_rows_come_again_where_the_settings_say_so(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    retraining.close(retraining.open("run-1"), retraining.challenge(BASE, BASE), refused_rows_again=True)
    assert retraining.states() == ["failed"] and decided_in(f"{retraining.rounds}/00001") is not None
    assert retraining.open("run-2").work


def test_rows_that_were_rejected_count_at_the_gate(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    record = retraining.close(retraining.open("run-1"), retraining.challenge(BETTER, BASE, rejected=1))
    assert not record.promote
    assert [rule["asked"] for rule in record.verdict["rules"] if not rule["holds"]] == [
        "at most 5.0% of the new rows were rejected"
    ]


def test_the_base_policy_starts_from_the_base_model(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    retraining.close(retraining.open("run-1"), retraining.challenge(BETTER, BASE))
    retraining.arrive("c", "d")
    opened = retraining.open("run-2", policy="base")
    assert opened.champion_adapter and not opened.policy_adapter


def test_a_champion_that_nobody_here_registered_is_refused(retraining: Retraining, mlflow_uri: str) -> None:
    client = MlflowClient(mlflow_uri)
    client.create_registered_model(retraining.name)
    version = str(client.create_model_version(retraining.name, "s3://weights/of/nobody").version)
    retraining.champions.promote(version, None, "by hand")
    retraining.arrive("a", "b")
    with pytest.raises(CheckpointError, match="groundtune did not register it"):
        retraining.open("run-1")


def test_a_round_that_has_ended_is_followed_no_more(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    record = retraining.close(retraining.open("run-1"), retraining.challenge(BETTER, BASE))
    by_hand = retraining.challenge(BEST, BETTER)["challenger"].rpartition("/")[2]
    retraining.champions.promote(by_hand, retraining.champions.current(), "by hand")
    follow(retraining.rounds, record, retraining.champions, RoundsSettings.of(SETTINGS, "rounds"))
    assert retraining.champions.version_of("champion") == by_hand


def test_rules_that_nothing_measures_are_refused_before_anything(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    given = (str(retraining.root / "inbox"), retraining.rounds, retraining.root / "summary.md", SETTINGS)
    with pytest.raises(SettingError, match="setting 'may_fall' in gate is 'pope/f1': expected a metric"):
        opening.run(*given, {"model_name": retraining.name}, {}, {"benchmarks": {"chair": "file"}}, {})
    assert stories(retraining.rounds) == [] and Leases(retraining.rounds).held() is None


@pytest.mark.parametrize(
    ("inbox", "rounds", "message"),
    [
        ("nowhere", "rounds", "setting 'inbox' is .*nowhere.*: expected a folder or s3:// prefix"),
        ("inbox", "inbox/rounds", "setting 'rounds' is .*: expected a place outside the inbox"),
        ("inbox", "", "setting 'rounds' is ''"),
    ],
)
def test_wrong_places_are_refused(retraining: Retraining, inbox: str, rounds: str, message: str) -> None:
    retraining.arrive("a", "b")
    places = [str(retraining.root / place) if place else "" for place in (inbox, rounds)]
    named = {"model_name": retraining.name}
    with pytest.raises(SettingError, match=message):
        opening.run(*places, retraining.root / "summary.md", SETTINGS, named, {}, MEASURED, {})


WITHOUT = """
import sys

from importlib.machinery import PathFinder

class Hidden:
    names = {"torch", "transformers", "peft", "trl", "accelerate", "pandas", "sklearn", "scipy", "matplotlib",
             "sqlalchemy", "alembic", "flask", "docker", "graphene", "gunicorn", "waitress", "kfp"}
    finders = list(sys.meta_path)
    find_distributions = staticmethod(PathFinder.find_distributions)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            return None
        return next(filter(None, (finder.find_spec(name, path, target) for finder in self.finders)), None)

sys.meta_path[:] = [Hidden()]
from groundtune import close_run
from groundtune.promotion import steps
from groundtune.report import rounds_stage
from groundtune.retraining import closing, deciding, drifting, opening

measured = {"benchmarks": {"chair": "file", "pope": "file"}}
named = {"model_name": sys.argv[3]}
found = opening.run(*sys.argv[1:3], sys.argv[2] + ".md", {"minimum_rows": 2}, named, {}, measured, {})
assert found.work and found.champion_adapter, found
assert steps.rollback and rounds_stage.run(sys.argv[2], sys.argv[2] + ".html", sys.argv[2] + ".summary.md")
"""


def test_the_small_tasks_of_a_round_need_nothing_that_the_light_image_lacks(retraining: Retraining) -> None:
    retraining.arrive("a", "b")
    retraining.close(retraining.open("run-1"), retraining.challenge(BETTER, BASE))
    retraining.arrive("c", "d")
    shutil.rmtree(Path(retraining.rounds) / "champions", ignore_errors=True)
    places = [str(retraining.root / "inbox"), retraining.rounds, retraining.name]
    retraining.patch.setenv("GROUNDTUNE_RUN_ID", "run-2")
    done = subprocess.run([sys.executable, "-c", WITHOUT, *places], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
