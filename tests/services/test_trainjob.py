"""Promises of training over several nodes: the real client against a Kubernetes API on loopback, a real S3 store."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from groundtune import close_run, storage
from groundtune.cluster import train
from groundtune.cluster.api import Cluster
from groundtune.cluster.manifest import Pods
from groundtune.errors import SettingError, WorkerError
from groundtune.folder_artifacts import FolderWriter
from groundtune.training import job, launch
from tests.kubernetes_api import JOBS, kubernetes_api
from tests.servers import free_port
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

PODS = Pods(gpus=2)
QUICK = {"nodes": 2, "poll": 0.05, "patience": 5.0}


@pytest.fixture
def api(tmp_path, monkeypatch):
    with kubernetes_api() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        monkeypatch.setenv("KFP_POD_NAME", "task-pod")
        yield server


@pytest.fixture
def state(bucket, monkeypatch):
    monkeypatch.setenv("GROUNDTUNE_STATE", f"{bucket}/state")
    return f"{bucket}/state"


def inputs(**changes):
    given = {
        "prompts": "s3://tests/prompts", "confidence": ["s3://tests/confidence/0"], "pairs": "s3://tests/pairs",
        "images_root": "s3://tests/images", "model": "s3://tests/model", "settings": {"pairs_per_step": 8},
    }  # fmt: skip
    return {**given, **changes}


def submit(out, **changes):
    return train.run(**inputs(**changes), out=out, pods=PODS, parallel=QUICK)


def place_of(trainjob):
    """Where the job file of a TrainJob is."""
    return trainjob["spec"]["trainer"]["args"][-1]


class Workers:
    """Stands for the pods: says how the job ended, and leaves what rank 0 of a complete training leaves."""

    def __init__(self, api, tmp_path):
        self.api, self.folder = api, tmp_path / "made"
        self.then = lambda name: self.api.set(name, "Complete")

    def __call__(self, trainjob):
        name = trainjob["metadata"]["name"]
        self.then(name)
        if any(one["type"] == "Complete" for one in trainjob.get("status", {}).get("conditions", [])):
            self.leave(trainjob)

    def leave(self, trainjob):
        given = job.read_job(place_of(trainjob))
        writer = FolderWriter(self.folder, "adapter", given.settings, {"pairs": "0"})
        self.made = writer.finish(
            lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"weights"), {"steps": 3}
        )
        storage.publish_folder(self.folder, given.out)


@pytest.fixture
def workers(api, tmp_path):
    api.on_create = Workers(api, tmp_path)
    return api.on_create


def test_a_finished_job_leaves_its_adapter_and_nothing_else(api, state, workers, tmp_path):
    made = submit(tmp_path / "adapter")
    assert made.digest == workers.made.digest and made.path == tmp_path / "adapter"
    (created,) = [query for method, path, query in api.requests if (method, path) == ("POST", JOBS)]
    assert created["fieldValidation"] == ["Strict"], "an older Trainer would drop what it does not know"
    assert api.jobs == {} and storage.list_files(state) == []


def test_the_pods_run_the_image_of_the_task(api, state, workers, tmp_path, monkeypatch):
    workers.then = lambda name: None
    (left,) = _left_running(api, tmp_path).values()
    assert left["spec"]["trainer"]["image"] == api.image
    monkeypatch.setenv("KFP_POD_NAME", "elsewhere")
    with pytest.raises(WorkerError, match="no pod elsewhere in namespace team-a"):
        submit(tmp_path / "adapter")


def test_a_task_that_is_retried_follows_the_job_that_goes_on(api, state, workers, tmp_path):
    workers.then = lambda name: None
    ((name, left),) = _left_running(api, tmp_path).items()

    def at_last():
        time.sleep(0.3)
        workers.leave(left)
        api.set(name, "Complete")

    threading.Thread(target=at_last).start()
    made = submit(tmp_path / "adapter")
    assert api.count("POST") == 2 and made.digest == workers.made.digest
    assert api.jobs == {}


def _left_running(api, tmp_path):
    """A job whose task died without a word."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_follow", lambda *a: (_ for _ in ()).throw(ConnectionAbortedError))
        with pytest.raises(ConnectionAbortedError):
            submit(tmp_path / "adapter")
    return dict(api.jobs)


def test_a_task_that_is_retried_after_its_job_ended_trains_nothing_again(api, state, workers, tmp_path, monkeypatch):
    """Its output is stored only after it returned: a node that is lost in between would cost the training."""
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-1")
    first = submit(tmp_path / "adapter")
    assert submit(tmp_path / "on-another-node").digest == first.digest and api.count("POST") == 1
    close_run.run("SUCCEEDED", "", tmp_path / "run.html", tmp_path / "run.md", over_nodes=True)
    assert storage.list_files(state) == [], "once the run has ended, nothing is left"


def test_the_exit_handler_ends_what_a_killed_task_left_behind(api, state, workers, tmp_path, monkeypatch):
    workers.then = lambda name: None
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-1")
    mine = set(_left_running(api, tmp_path))
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-2")
    (other,) = set(_left_running(api, tmp_path)) - mine
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-1")
    close_run.run("FAILED", "", tmp_path / "run.html", tmp_path / "run.md", over_nodes=True)
    assert set(api.jobs) == {other}, "another run's job goes on"


def test_another_run_and_other_settings_are_another_job(api, state, workers, tmp_path, monkeypatch):
    workers.then = lambda name: None
    _left_running(api, tmp_path)
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-2")
    assert len(_left_running(api, tmp_path)) == 2
    with pytest.raises(SettingError, match="'pairs_per_step' is 6: expected a multiple of the 4 processes"):
        submit(tmp_path / "a", settings={"pairs_per_step": 6, "pairs_per_microbatch": 2})


def test_a_failed_job_is_told_with_the_last_words_of_its_pods(api, state, workers, tmp_path):
    workers.then = lambda name: api.set(name, "Failed", "JobsFailed", "jobset failed")
    api.logs = {"x-node-0-0-abc": "step 3\nCUDA out of memory\n"}
    with pytest.raises(WorkerError, match=r"(?s)JobsFailed: jobset failed.*x-node-0-0-abc \(Failed\).*CUDA out of mem"):
        submit(tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_what_a_worker_found_wrong_is_raised_as_what_it_is(api, state, workers, tmp_path):
    def fail(name):
        folder = place_of(api.jobs[name]).removesuffix("job.json")
        job.write_failure(folder, 3, SettingError("beta", -1, "more", "training"))
        api.set(name, "Failed")

    workers.then = fail
    with pytest.raises(SettingError, match="'beta' in training is -1") as raised:
        submit(tmp_path / "adapter")
    assert raised.value.setting == "beta"


def test_a_job_that_failed_is_started_again_by_the_next_attempt(api, state, workers, tmp_path):
    workers.then = lambda name: api.set(name, "Failed")
    with pytest.raises(WorkerError):
        submit(tmp_path / "adapter")
    workers.then = lambda name: api.set(name, "Complete")
    assert submit(tmp_path / "adapter").digest == workers.made.digest
    assert [method for method, path, _ in api.requests if method != "GET" and path.startswith(JOBS)] == [
        "POST", "POST", "DELETE", "POST", "DELETE",
    ]  # fmt: skip


def test_a_job_that_waits_for_admission_is_waited_for(api, state, workers, tmp_path, capsys):
    def later(name):
        api.set(name, "Suspended", "Suspended", "quota of team-a is used up")
        workers.name = name

    workers.then = later
    answer = api.answer

    def after_three(method, path, query, body):
        if method == "GET" and api.count("GET") == 4:
            workers.leave(api.jobs[workers.name])
            api.set(workers.name, "Complete")
        return answer(method, path, query, body)

    api.answer = after_three
    submit(tmp_path / "adapter")
    assert capsys.readouterr().out.count("waits to be admitted (quota of team-a is used up)") == 1


@pytest.mark.parametrize("refusal", [("GET", 0, ""), ("GET", 503, "etcd leader changed"), ("POST", 0, "")])
def test_an_api_that_is_away_for_a_moment_costs_nothing(api, state, workers, tmp_path, refusal):
    api.refuse = [refusal] * 3
    assert submit(tmp_path / "adapter").digest == workers.made.digest


def test_an_api_that_stays_away_is_an_error_that_names_the_setting(api, state, workers, tmp_path):
    workers.then = lambda name: None
    api.refuse = [("GET", 503, "no leader")] * 1000
    begun = time.monotonic()
    with pytest.raises(WorkerError, match=r"cannot get a TrainJob.*did not answer for 5 s \(patience\).*no leader"):
        submit(tmp_path / "adapter")
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (403, 'User "system:serviceaccount:team-a:x" cannot create resource "trainjobs"', "Role groundtune-runner"),
        (401, "Unauthorized", "does not know this pod's service account"),
        (400, 'strict decoding error: unknown field "spec.runtimePatches"', "2.2 or newer is needed"),
        (422, "spec.trainer.numNodes: Invalid value", "Kubeflow Trainer refuses the job"),
    ],
)
def test_a_refusal_says_what_to_change(api, state, tmp_path, status, text, message):
    api.refuse = [("POST", status, text)]
    with pytest.raises(WorkerError, match=message) as raised:
        submit(tmp_path / "adapter")
    assert "in namespace team-a" in str(raised.value) and api.count("POST") == 1
    assert "canary-token" not in str(raised.value)


def test_a_cluster_without_kubeflow_trainer_is_named(api, state, tmp_path):
    api.known = False
    with pytest.raises(WorkerError, match=r"no TrainJob \(trainer.kubeflow.org/v1alpha1\): install Kubeflow Trainer"):
        submit(tmp_path / "adapter")


def test_a_job_that_somebody_deletes_ends_the_task(api, state, workers, tmp_path):
    workers.then = lambda name: api.jobs.pop(name)
    with pytest.raises(WorkerError, match="was deleted by somebody else"):
        submit(tmp_path / "adapter")


def test_outside_of_a_cluster_the_way_to_one_is_named(state, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(WorkerError, match="or with KUBECONFIG set"):
        Cluster(1.0)


@pytest.mark.parametrize("name", ["images_root", "model", "pairs"])
def test_an_input_that_other_nodes_cannot_see_is_refused_by_name(state, tmp_path, name):
    with pytest.raises(SettingError, match=f"'{name}' is '/data/here': expected an s3:// URI"):
        submit(tmp_path / "adapter", **{name: "/data/here"})


def test_a_state_on_a_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDTUNE_STATE", str(tmp_path))
    with pytest.raises(SettingError, match="GROUNDTUNE_STATE.*several nodes train together"):
        submit(tmp_path / "adapter")


def test_a_cancelled_task_deletes_its_job(api, state, tmp_path):
    """A real process and a real SIGTERM, as the kubelet sends it."""
    code = (
        "import json, sys\nfrom groundtune.cluster import train\nfrom groundtune.cluster.manifest import Pods\n"
        "train.run(**json.loads(sys.argv[1]), pods=Pods(2), parallel={'nodes': 2, 'poll': 0.05})"
    )
    given = json.dumps({**inputs(), "out": str(tmp_path / "adapter")})
    process = subprocess.Popen([sys.executable, "-c", code, given], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not api.jobs or api.count("GET") < 4:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    assert len(api.jobs) == 1
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 143 and "cancelled" in out and api.jobs == {}


class Nodes:
    """Stands for Kubeflow Trainer and the kubelets: starts the container's own command once a node, with the PET_*
    variables that the torch policy sets, and tells how it ended."""

    def __init__(self, api, port, folder):
        self.api, self.port, self.folder = api, port, folder
        self.ended = threading.Event()

    def __call__(self, trainjob):
        threading.Thread(target=self.run, args=(trainjob,), daemon=True).start()

    def run(self, trainjob):
        trainer = trainjob["spec"]["trainer"]
        command = [sys.executable, *trainer["command"][1:], *trainer["args"]]
        nodes = []
        for rank in range(trainer["numNodes"]):
            own = {
                "PET_NNODES": str(trainer["numNodes"]), "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
                "PET_NODE_RANK": str(rank), "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(self.port),
                "GROUNDTUNE_CACHE": str(self.folder / f"node-{rank}"),
            }  # fmt: skip
            with (self.folder / f"node-{rank}.log").open("w") as log:
                nodes.append(subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=subprocess.STDOUT))
        codes = [node.wait() for node in nodes]
        name = trainjob["metadata"]["name"]
        self.api.logs = {f"{name}-node-0-{rank}": (self.folder / f"node-{rank}.log").read_text() for rank in (0, 1)}
        self.api.set(name, "Failed" if any(codes) else "Complete", str(codes))
        self.ended.set()


def test_two_nodes_train_from_s3_what_one_process_trains(api, state, bucket, tmp_path, monkeypatch):
    """The command, the arguments and the job file of the manifest, on two nodes that share nothing but S3 and TCP."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    root = tmp_path / "run"
    small = up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))
    settings = {
        "pairs_per_step": 4, "pairs_per_microbatch": 2, "lora_rank": 4, "lora_alpha": 8, "learning_rate": 2e-3,
        "checkpoint_every": 1,
    }  # fmt: skip
    alone = launch.run(
        small.prompts, small.shards("confidence"), small.pairs, str(root), str(small.model), tmp_path / "one", settings
    )
    for name in ("prompts", "pairs", "confidence-0", "llava", "images"):
        storage.publish_folder(root / name, f"{bucket}/data/{name}")
    api.on_create = Nodes(api, free_port(), tmp_path)
    made = train.run(
        f"{bucket}/data/prompts", [f"{bucket}/data/confidence-0"], f"{bucket}/data/pairs", f"{bucket}/data",
        f"{bucket}/data/llava", tmp_path / "adapter", settings, Pods(gpus=0), parallel=QUICK,
    )  # fmt: skip
    assert made.digest == alone.digest and made.results["processes"] == 2
    assert storage.list_files(state) == [], "neither checkpoints nor the job are left behind"
