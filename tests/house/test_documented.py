"""The house: every setting, command and error stands in the reference, which is made from the code."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _pages():
    spec = importlib.util.spec_from_file_location("reference_docs", ROOT / "scripts" / "reference_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


@pytest.mark.parametrize(("name", "text"), sorted(_pages().items()))
def test_the_reference_says_what_the_code_says(name, text):
    page = ROOT / "docs" / "reference" / name
    assert page.is_file(), f"{name} is missing; run make docs"
    assert page.read_text(encoding="utf-8") == text, f"{name} is stale; run make docs"


def test_the_changelog_and_the_readme_exist_and_name_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme
    assert "## " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_decisions_have_their_four_parts():
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        missing = [part for part in ("## Context", "## Decision", "## Status", "## Consequences") if part not in text]
        assert not missing, f"{path.name} lacks {missing}"


def test_each_failure_that_is_said_to_be_tested_is():
    page = (ROOT / "docs" / "explanation" / "sync.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| `([\w/]+\.py)::(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) == page.count(".py::") > 20
    missing = [
        f"{file}::{name}"
        for file, name in rows
        if not re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
