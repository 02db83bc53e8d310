"""Each invariant of the guide's profiles holds on its passing example and fails on its failing one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirplan.fhir import codec
from fhirplan.fhir.path import Context, compile

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles" / "structuredefinitions"
EXAMPLES = ROOT / "fixtures" / "profiles"


def rules() -> Iterator[tuple[str, str, str, str, bool]]:
    """Profile, path, key, expression and the expected answer, for every example that is there."""
    for file in sorted(PROFILES.glob("StructureDefinition-*.json")):
        profile = codec.loads_resource(file.read_bytes())
        for element in profile["differential"]["element"]:
            for rule in element.get("constraint", ()):
                for expected in (True, False):
                    name = f"{rule['key']}.{'pass' if expected else 'fail'}.json"
                    if (EXAMPLES / profile["id"] / name).exists():
                        yield profile["id"], element["path"], rule["key"], rule["expression"], expected


def foci(resource: dict[str, Any], path: str) -> list[Any]:
    found: list[Any] = [resource]
    for name in path.split(".")[1:]:
        below = [item.get(name, []) for item in found]
        found = [child for value in below for child in (value if isinstance(value, list) else [value])]
    return found


@pytest.mark.parametrize(("profile", "path", "key", "expression", "expected"), list(rules()))
def test_each_rule_on_its_examples(profile: str, path: str, key: str, expression: str, expected: bool) -> None:
    example = EXAMPLES / profile / f"{key}.{'pass' if expected else 'fail'}.json"
    resource = codec.loads_resource(example.read_bytes())
    context = Context(resource=resource, root=resource)
    assert all(compile(expression).holds(focus, context) for focus in foci(resource, path)) is expected


def test_the_table_is_not_empty() -> None:
    assert len(list(rules())) >= 140
