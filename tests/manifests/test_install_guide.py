"""docs/install-cluster.md: nobody can run it here, so every command in it is held against what it names."""

import argparse
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from kfp.cli.cli import cli as kfp_cli

from components import images
from groundtune.storage import lifecycle
from pipelines.commands import COMMANDS
from pipelines.packages import PIPELINES
from tests.manifests.test_components import COMPONENTS
from tests.manifests.test_manifests import VERSIONS
from tests.manifests.test_skaffold import CONFIGURATIONS, SKAFFOLD
from tests.rendered import MANIFESTS, OVERLAYS, ROOT, Item, one, rendered

GUIDE = (ROOT / "docs" / "install-cluster.md").read_text()
# Files that the guide has the reader make.
MADE = {"credentials.yaml"}


def commands(first: str = "") -> list[list[str]]:
    """The commands of the guide's code blocks, word by word; those that start with `first`."""
    lines = [line[4:] for line in GUIDE.splitlines() if line.startswith("    ") and line.strip()]
    return [shlex.split(line) for line in lines if line.startswith(first)]


def applied() -> list[Item]:
    """Everything that the guide's folders put on a cluster."""
    folders = [*OVERLAYS, MANIFESTS / "profile"]
    return [item for folder in folders for item in rendered(folder)]


def test_the_guide_has_commands_and_nothing_in_them_runs_over_a_line() -> None:
    assert len(commands()) > 30
    assert not [words for words in commands() if words[-1] == "\\"]


def test_every_folder_and_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"(?<![\w/.])(?:manifests|images|docs|tests|pipelines)/[\w./-]*\w", GUIDE))
    named |= {f"manifests/{path}" for path in re.findall(r"`(components/[\w-]+|profile/?)`", GUIDE)}
    named = {name for name in named if not name.startswith("manifests/overlays/own")}  # the reader's
    assert len(named) > 12
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("words", [words for words in commands("kubectl") if "-k" in words], ids=lambda w: w[-1][-40:])
def test_every_folder_that_is_applied_renders(words: list[str]) -> None:
    folder = words[words.index("-k") + 1]
    if folder == "manifests/overlays/own":  # test_the_overlay_of_ones_own_renders_as_it_stands
        return
    if "github.com" in folder:
        assert "?ref=" in folder, "somebody else's manifests at a version"
    else:
        assert rendered(ROOT / folder)


def test_every_object_that_kubectl_is_asked_for_is_one_that_was_applied() -> None:
    kinds = {"statefulset": "StatefulSet", "deployment": "Deployment", "job": "Job", "service": "Service"}
    there = {(item["kind"], item["metadata"]["name"]) for item in applied()}
    asked = {
        (kinds[kind], name)
        for words in commands("kubectl")
        for kind, _, name in (word.partition("/") for word in words)
        if kind in kinds and name
    }
    assert len(asked) > 6
    assert asked - there == {("Service", "ml-pipeline-ui")}  # Kubeflow's own


def test_every_label_that_kubectl_selects_by_is_on_something() -> None:
    form = list(yaml.safe_load_all((MANIFESTS / "credentials.example.yaml").read_text()))
    for words in commands("kubectl"):
        if "-l" in words:
            key, _, value = words[words.index("-l") + 1].partition("=")
            among = form if "credentials.yaml" in words else applied()
            assert any(item["metadata"].get("labels", {}).get(key) == value for item in among), words


def test_every_forwarded_port_is_the_services() -> None:
    for words in commands("kubectl"):
        if "port-forward" in words and "service/ml-pipeline-ui" not in words:
            service, (_, port) = words[-2].removeprefix("service/"), words[-1].split(":")
            items = rendered(MANIFESTS / "overlays" / "gpu")
            assert one(items, "Service", service)["spec"]["ports"][0]["port"] == int(port)


@pytest.mark.parametrize("words", commands(".venv/bin/python -m pipelines"), ids=lambda w: w[3])
def test_every_command_of_pipelines_takes_its_options(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(subparsers)
    given = parser.parse_args(words[3:])
    assert given.command == words[3]


def test_the_lifecycle_command_is_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = commands(".venv/bin/python -m groundtune.storage.lifecycle")
    job = one(rendered(MANIFESTS / "base"), "Job", "groundtune-storage-setup")["spec"]["template"]["spec"]
    (there,) = [container["command"] for container in job["containers"] if container["name"] == "lifecycle"]
    assert [*there[1:3], *there[4:]] == [*words[1:3], *words[4:]]
    with pytest.raises(SystemExit) as ended:
        lifecycle.main(["--help"])
    assert ended.value.code == 0
    assert "--days" in capsys.readouterr().out


def test_kfps_own_command_takes_its_options_and_the_packages_inputs() -> None:
    (words,) = commands("kfp")
    context = kfp_cli.make_context("kfp", words[1:], resilient_parsing=True)
    run = kfp_cli.get_command(context, "run").get_command(context, "create")
    options = {option for parameter in run.params for option in parameter.opts}
    assert {word for word in words[words.index("create") :] if word.startswith("-")} <= options
    inputs = set(PIPELINES["align"].pipeline_spec.root.input_definitions.parameters)
    assert {word.partition("=")[0] for word in words if "=" in word} <= inputs


def test_every_profile_and_option_of_skaffold_is_known() -> None:
    known = {"-p", "--default-repo", "--file-output", "--build-artifacts", "--port-forward"}
    for words in commands("skaffold"):
        assert words[1] in ("build", "deploy")
        assert words[words.index("-p") + 1] in CONFIGURATIONS
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known
    assert "skaffold 2.15" in GUIDE and SKAFFOLD["apiVersion"] == "skaffold/v4beta13"  # the release that brought it


def test_every_image_is_built_by_the_name_that_its_role_has() -> None:
    for words in commands("docker"):
        assert (ROOT / words[-1]).is_dir()
    files = {words[words.index("-t") + 1]: Path(words[words.index("-f") + 1]) for words in commands("docker")}
    built = {tag: file.parent.name for tag, file in files.items()}
    assert {role: tag for tag, role in built.items()} == images.ROLES
    assert all((ROOT / "images" / role / "Dockerfile").is_file() for role in built.values())


def test_files_that_commands_read_are_there_or_made_before() -> None:
    for words in commands("cp"):
        assert (ROOT / words[1]).is_file()
        assert words[2] in MADE
    assert "credentials.yaml" in (ROOT / ".gitignore").read_text()


def test_the_overlay_of_ones_own_renders_as_it_stands(tmp_path: Path) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    (example,) = re.findall(r"```yaml\n(# manifests/overlays/own/.*?)```", GUIDE, re.S)
    own = tmp_path / "manifests" / "overlays" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(example)
    environment = one(rendered(own), "ConfigMap", "groundtune-environment")
    assert environment["data"]["MLFLOW_EXPERIMENT_NAME"] == "kitchen"
    assert environment["metadata"]["namespace"] == "kubeflow"


def test_tables_name_every_component_overlay_secret_and_version() -> None:
    for name in COMPONENTS:
        assert f"| `{name}` |" in GUIDE
    for overlay in OVERLAYS:
        assert f"`manifests/overlays/{overlay.name}`" in GUIDE
    for secret in yaml.safe_load_all((MANIFESTS / "credentials.example.yaml").read_text()):
        assert f"| `{secret['metadata']['name']}` |" in GUIDE
    assert f"{VERSIONS[0]} to {VERSIONS[-1]}" in GUIDE
    quick = (ROOT / "constraints.txt").read_text()
    assert "PIPELINE_VERSION=2.17.0" in GUIDE and "kfp==2.17.0" in quick
