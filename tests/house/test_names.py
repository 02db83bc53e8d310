"""The house: each file says its one duty, and nothing is named by a word that says nothing."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "fhirplan").rglob("*.py"))
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "handler", "handlers", "common", "misc"}


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_each_file_opens_with_its_duty(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{_name(path)} has no docstring"
    assert len(docstring.splitlines()[0]) > 15


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_no_name_says_nothing(path):
    names = {path.stem} | {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert not {name for name in names if EMPTY_WORDS & set(name.lower().strip("_").split("_"))}


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_broad_excepts_stand_only_at_the_outer_edges(path):
    # web/direct hands what was raised to the application, which raises it again and answers it.
    allowed = {"fhirplan/web/app.py", "fhirplan/web/direct.py", "fhirplan/jobs/engine.py"}
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert not broad or _name(path) in allowed, f"{_name(path)} swallows everything at lines {broad}"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_nothing_below_the_command_line_ends_the_process(path):
    if path.parts[-2] == "cli":
        return
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit", "os._exit")
    ]
    assert not calls, f"{_name(path)} ends the process at lines {calls}"
