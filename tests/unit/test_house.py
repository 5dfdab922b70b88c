"""The house's rules that no linter knows: what a component may hold, and that every part is in its place."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import groundtune

ROOT = Path(__file__).parents[2]
COMPONENTS = sorted((ROOT / "components").glob("*/component.py"))
LOGIC = (
    ast.AugAssign, ast.BinOp, ast.BoolOp, ast.Compare, ast.For, ast.FunctionDef, ast.If, ast.Lambda, ast.Match, ast.Try,
    ast.While, ast.With, ast.Yield,
)  # fmt: skip
# One call does the work; one more may say how a result is handed on.
MOST_LIBRARY_CALLS = 2


def faults_of_top_level(tree: ast.Module) -> list[str]:
    """What a component file imports at its top besides the standard library, kfp and `components`."""
    allowed = {*sys.stdlib_module_names, "kfp", "components"}
    faults = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            faults += [alias.name for alias in node.names if alias.name.split(".")[0] not in allowed]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in allowed:
            faults.append(str(node.module))
    return [f"imports {name} at its top" for name in faults]


def faults_of_body(function: ast.FunctionDef) -> list[str]:
    """What a component's body holds besides imports, library calls, plain names for values, metadata and a return."""
    faults = [
        f"line {node.lineno}: {type(node).__name__} is logic; it belongs in groundtune/"
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, LOGIC)
    ]
    library: set[str] = set()
    for node in function.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "groundtune":
            library |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            faults.append(f"line {node.lineno}: a component's body imports from groundtune only")
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _name_called_on(node) in library]
    if not 1 <= len(calls) <= MOST_LIBRARY_CALLS:
        faults.append(f"{len(calls)} calls of the library, expected one, or {MOST_LIBRARY_CALLS}")
    return faults


def _name_called_on(call: ast.Call) -> str:
    target: ast.expr = call.func
    while isinstance(target, ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def _component_of(tree: ast.Module) -> ast.FunctionDef:
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return function


def test_the_house_has_components() -> None:
    assert len(COMPONENTS) >= 5


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.parent.name)
def test_a_component_imports_only_the_standard_library_and_kfp(file: Path) -> None:
    assert faults_of_top_level(ast.parse(file.read_text())) == []


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.parent.name)
def test_a_component_holds_no_logic(file: Path) -> None:
    assert faults_of_body(_component_of(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.parent.name)
def test_a_component_has_the_name_of_its_folder_and_says_what_it_does(file: Path) -> None:
    tree = ast.parse(file.read_text())
    function = _component_of(tree)
    assert function.name == file.parent.name
    assert ast.get_docstring(tree)
    assert ast.get_docstring(function)


@pytest.mark.parametrize(
    "body",
    [
        "from groundtune import x\n if scores: x.run()",
        "from groundtune import x\n x.run(margin=margin * 2)",
        "from groundtune import x\n for shard in shards: x.run(shard)",
        "from groundtune import x\n x.load()\n x.run()\n x.close()",
        "import torch\n torch.zeros(3)",
        "pass",
    ],
)
def test_logic_in_a_component_would_be_found(body: str) -> None:
    assert faults_of_body(_component_of(ast.parse(f"def stage(scores):\n {body}"))) != []


def test_a_heavy_import_at_the_top_of_a_component_would_be_found() -> None:
    assert faults_of_top_level(ast.parse("import torch\nfrom groundtune import x\nfrom kfp import dsl\nimport os")) == [
        "imports torch at its top",
        "imports groundtune at its top",
    ]


def test_every_pinned_requirement_of_the_project_is_the_version_in_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.strip().lower().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    extras = [item for extra in project["optional-dependencies"].values() for item in extra]
    for requirement in [*project["dependencies"], *extras]:
        name, exact, version = requirement.lower().partition("==")
        name = name.split(">")[0].split("[")[0].strip()
        assert name in pins, f"{name} has no pin in constraints.txt: make constraints"
        if exact:
            assert pins[name] == version, f"{name}: pyproject.toml says {version}, constraints.txt {pins[name]}"


def test_a_component_names_an_image_that_has_a_dockerfile() -> None:
    from components import images

    for role, reference in images.ROLES.items():
        name, _, tag = reference.rpartition(":")
        assert name and tag == groundtune.__version__, f"{reference}: name the version"
        assert f"ARG VERSION={tag}\n" in (ROOT / "images" / role / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("recipe", "verdict", "status"),
    [
        ("echo '===== 3 passed in 0.1s ====='", "ok", 0),
        ("echo '===== 1 failed, 3 passed in 0.1s ====='; exit 1", "FAILED", 1),
        ("echo '===== 4 skipped in 0.1s ====='", "DID NOT RUN", 1),
        ("true", "DID NOT RUN", 1),
    ],
)
def test_ci_believes_a_tier_only_when_its_tests_ran(recipe: str, verdict: str, status: int, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "tiers", tmp_path / ".ci")
    makefile = f"unit:\n\t@echo pytest tests/unit; {recipe}\nlint:\n\t@echo clean\n"
    (tmp_path / "Makefile").write_text(makefile)

    done = subprocess.run([tmp_path / ".ci" / "tiers", "unit", "lint"], capture_output=True, text=True, check=False)

    summary = done.stdout.partition("######## summary")[2]
    assert re.search(rf"^unit +{verdict} ", summary, re.MULTILINE), done.stdout
    assert re.search(r"^lint +ok ", summary, re.MULTILINE), "a failing tier must not keep the others from running"
    assert done.returncode == status
