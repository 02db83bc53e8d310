"""Scripts and benchmarks are run by hand, and seldom: what they take from the program is there all the same."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((*ROOT.glob("bench/*.py"), *ROOT.glob("scripts/*.py")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_it_imports_of_the_program_is_there(path):
    missing = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "fhirplan":
            module = importlib.import_module(node.module)
            missing += [f"{node.module}.{item.name}" for item in node.names if not _has(module, item.name)]
    assert missing == []


def _has(module, name):
    if hasattr(module, name):
        return True
    try:
        importlib.import_module(f"{module.__name__}.{name}")
    except ModuleNotFoundError:
        return False
    return True
