"""Beside fhirpathpy: both give the same for what both can do; where they differ, the reason stands here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhirplan.fhir.path import Context, compile

fhirpathpy = pytest.importorskip("fhirpathpy")
models = pytest.importorskip("fhirpathpy.models")

EXAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "profiles").glob("case-management-*/full.json"))

EXPRESSIONS = [
    "status = 'active' implies careTeam.exists()",
    "period.where(start > end).empty()",
    "activity.all(reference.exists() or detail.exists())",
    "text.`div`.exists()",
    "contained.contained.empty()",
    "extension.url.distinct().count()",
    "descendants().count() > 5",
    "descendants().where(system.exists() and code.exists()).code.count() > 0",
    "meta.profile.first()",
    "category.coding.where(system = 'http://loinc.org').exists()",
    "identifier.value | id",
    "(id | status).count()",
    "extension.value.ofType(Reference).reference",
    "extension.value.ofType(CodeableConcept).coding.code",
    "children().count() > 3",
    "subject.reference.startsWith('Patient/')",
    "subject.reference.replace('Patient/', '').length()",
    "iif(status.exists(), status, 'none')",
    "extension.select(url).isDistinct()",
    "extension.repeat(extension).url",
    "id.matches('^[a-z-]+$')",
    "id.toChars().count() = id.length()",
    "note.time.exists() xor note.author.exists()",
    "target.due.ofType(date)",
    "(status = 'x').not() and id.exists()",
    "participant.role.coding.code.combine(participant.role.coding.code).isDistinct()",
    "extension.tail().url.last()",
    "(status | id) contains 'active'",
    "1 + 2 * 3 - 4 div 3",
    "@2020-01-31 + 1 month",
    "'a' & {} & 'b'",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_both_give_the_same(expression: str, example: Path) -> None:
    resource: dict[str, Any] = json.loads(example.read_text())
    theirs = fhirpathpy.evaluate(resource, expression, {"resource": resource}, models.models["r4"])
    ours = compile(expression).evaluate(resource, Context(resource=resource))
    assert ours == [str(item) if type(item).__name__.startswith("FP_") else item for item in theirs]


def test_there_are_examples() -> None:
    assert EXAMPLES
