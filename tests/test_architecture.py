"""Policy as tests: who imports whom (the table of docs/architecture.md), sizes, and what code must not do."""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT, cli_environment

PACKAGE = ROOT / "bdgan_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "torchvision", "numpy", "cv2", "scipy", "pyarrow", "shapely", "lightning_fabric", "matplotlib", "PIL")

MAX_FILE_LINES = 250
MAX_BODY_LINES = 60
MAX_POSITIONAL = 6
MAX_HELP_CPU_S = 0.3


class Rule(NamedTuple):
    """What a package may import: anywhere, and inside functions alone."""

    anywhere: frozenset[str]
    inside: frozenset[str]


def read_table() -> dict[str, Rule]:
    """Read the import table of docs/architecture.md, the one place where it is written."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|$", text, flags=re.MULTILINE)
    names = [re.findall(r"`(\w+)/?`", left) for left, _ in rows]
    known = {name for row in names for name in row}
    table: dict[str, Rule] = {}
    for row, (_, right) in zip(names, rows, strict=True):
        above = frozenset(table) if "everything above" in right else frozenset()
        anywhere, _, inside = right.partition(" at module level;")
        allowed = [frozenset(re.findall(r"\w+", part)) & known for part in (anywhere, inside)]
        table.update(dict.fromkeys(row, Rule(allowed[0] | above, allowed[1])))
    return table


def layer_of(module: Path) -> str:
    """Return the first name below the package: ``runs`` for runs.py, ``cli`` for cli/app.py."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_layers(node: ast.AST) -> Iterator[str]:
    """Name the layers that an import statement asks for."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module == "bdgan_cli":
        dotted = [f"bdgan_cli.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        dotted = [node.module or ""]
    else:
        dotted = []
    for name in dotted:
        head, _, rest = name.partition(".")
        if head == "bdgan_cli" and rest and not rest.startswith("__"):
            yield rest.split(".")[0]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Walk over all functions, nested ones and methods included."""
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def test_the_table_is_read() -> None:
    table = read_table()
    assert table["errors"].anywhere <= {"errors"}
    assert table["workflows"].anywhere >= {"generators", "heads", "dataset", "runtime"}
    assert "workflows" in table["cli"].inside
    assert "workflows" not in table["cli"].anywhere


@each_module
def test_imports_follow_the_table(module: Path) -> None:
    layer, table, tree = layer_of(module), read_table(), parsed(module)
    if layer.startswith("__"):
        return
    assert layer in table, f"say in docs/architecture.md what {layer} may import"
    rule = table[layer]
    late = {id(node) for function in functions(tree) for node in ast.walk(function)}
    for node in ast.walk(tree):
        allowed = {layer} | rule.anywhere | (rule.inside if id(node) in late else set())
        wrong = set(imported_layers(node)) - allowed
        assert not wrong, f"{module}:{getattr(node, 'lineno', 0)} {layer} must not import {sorted(wrong)} here"


@each_module
def test_module_has_docstring_and_fits(module: Path) -> None:
    assert ast.get_docstring(parsed(module)), "say what the module is"
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


def test_every_folder_of_modules_is_a_package() -> None:
    # A folder without __init__.py works in a checkout and is missing from the installed package.
    assert [folder for folder in {module.parent for module in MODULES} if not (folder / "__init__.py").is_file()] == []


@each_module
def test_functions_are_short(module: Path) -> None:
    for function in functions(parsed(module)):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert lines <= MAX_BODY_LINES, f"{module}:{function.lineno} {function.name} has {lines} lines"


@each_module
def test_functions_take_few_positional_arguments(module: Path) -> None:
    if layer_of(module) == "cli":  # a command takes its options as arguments
        return
    for function in functions(parsed(module)):
        names = [arg.arg for arg in [*function.args.posonlyargs, *function.args.args]]
        taken = [name for name in names if name not in ("self", "cls")]
        assert len(taken) <= MAX_POSITIONAL, f"{module}:{function.lineno} {function.name} takes {taken}"


@each_module
def test_nothing_swallows_errors_prints_or_exits(module: Path) -> None:
    for node in ast.walk(parsed(module)):
        place = f"{module}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception"), f"{place} catches {caught}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.exit", "exit", "quit"), f"{place} calls {called}"


def test_command_line_loads_nothing_heavy() -> None:
    code = f"import json, sys, bdgan_cli.cli.main; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], env=cli_environment(), capture_output=True, check=True)
    assert json.loads(done.stdout) == []


def test_help_answers_at_once() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "bdgan_cli", "--help"]
        subprocess.run(command, env=cli_environment(), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time and the best of five, so that a busy machine does not fail the test.
    assert min(cpu_seconds() for _ in range(5)) < MAX_HELP_CPU_S
