"""coordination/rules: the guide's illegal updates are each refused by its own rule, and the samples by none."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.rules import findings, refuse
from fhirplan.coordination.world import Change, MemoryWorld
from fhirplan.errors import InvalidResource, NotPermitted

ZONE = ZoneInfo("America/Chicago")
BEHAVIORS = {"http://fhirplan.dev/fhir/PlanDefinition/cm-heart-failure-discharge|1.0.0#post-discharge-call": "must"}


def judged(illegal, **options):
    world = MemoryWorld(illegal["stored"], BEHAVIORS)
    new = illegal["request"]["body"]
    new = new if "id" in new else {**new, "id": "new"}
    change = Change(world.get(f"{new['resourceType']}/{new['id']}"), new)
    now = datetime.fromisoformat(illegal["now"])
    return [found.issue for found in findings(world, [change], now, ZONE, **options)]


def test_each_illegal_update_is_refused_by_its_rule(illegal):
    errors = [item for item in judged(illegal) if item.is_error]
    wanted = illegal["expected"]
    if wanted["rule"] == "cm-x-30":  # If-Match, which the store decides
        assert errors == []
        return
    [issue] = errors
    assert {"severity": issue.severity, "code": issue.code, "expression": issue.expression, "rule": issue.rule} == {
        key: wanted[key] for key in ("severity", "code", "expression", "rule")
    }
    with pytest.raises(NotPermitted if wanted["status"] == 403 else InvalidResource):
        refuse(errors)


def test_none_is_refused_when_an_ehr_says_it(illegal):
    found = judged(illegal, imported=True)
    assert not any(item.is_error for item in found)
    rule = illegal["expected"]["rule"]
    if rule != "cm-x-30":
        assert ("cm-sm-import" if rule.startswith("cm-sm") else rule) in {item.rule for item in found}
    refuse(found)


def test_what_was_stored_before_breaks_no_rule(illegal):
    """The history that leads to each illegal update is itself legal, step by step."""
    now = datetime.fromisoformat(illegal["now"])
    known = {}
    for item in illegal["stored"]:
        world = MemoryWorld(known.values(), BEHAVIORS)
        ref = f"{item['resourceType']}/{item['id']}"
        change = Change(known.get(ref), item)
        found = [one.issue for one in findings(world, [change], now, ZONE)]
        assert [one.rule for one in found if one.is_error] == []
        known[ref] = item


def test_no_sample_bundle_breaks_a_rule(scenario, resources):
    """Loaded as a whole, each bundle has no error but that some tasks do not begin in an initial state."""
    now = datetime.fromisoformat(scenario["now"])
    changes = [Change(None, item) for item in resources]
    found = findings(MemoryWorld([]), changes, now, ZoneInfo(scenario["timeZone"]))
    errors = [item for item in found if item.issue.is_error]
    initial = {"draft", "requested", "ready", "accepted", "in-progress", "completed"}
    status = {f"Task/{item['id']}": item["status"] for item in resources if item["resourceType"] == "Task"}
    assert {item.ref for item in errors} == {ref for ref, value in status.items() if value not in initial}
    assert {item.issue.rule for item in errors} <= {"cm-sm-task"}
