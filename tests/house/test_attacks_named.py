"""The house: each attack that docs/security.md lists has a test, and each test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
# What the project has promised to stand against, by the words that stand first in a row of the table.
PROMISED = (
    "alg=none",
    "key confusion",
    "wrong aud",
    "expired",
    "future",
    "replayed assertion",
    "code replay",
    "PKCE downgrade",
    "open redirect",
    "mixed-up issuers",
    "session fixation",
    "CSRF",
    "clickjacking",
    "iss that points at loopback (SSRF)",
    "JWKS URL that redirects or never ends",
    "path tricks",
    "header injection",
    "narrative script",
    "zip bomb",
    "cookie from another launch",
)
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


@cache
def functions(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}


def rows():
    """The cells of the table of attacks, by its first column."""
    part = PAGE.split("## Attacks", 1)[1].split("\n## ", 1)[0]
    cells = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row for row in cells}


@pytest.mark.parametrize("attack", PROMISED)
def test_each_attack_has_a_row_with_a_test(attack):
    row = rows().get(attack)
    assert row is not None, f"docs/security.md has no row for {attack}"
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row[-1]), f"{attack} names no test"


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_is_named_exists(path, name):
    assert (ROOT / path).is_file(), f"{path} is not there"
    assert not name or name in functions(path), f"{path} has no {name}"
