"""coordination/templates and offsets: the three templates applied: timing, owners, again, and what must not happen."""

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.coordination.offsets import window
from fhirplan.coordination.order import Order
from fhirplan.coordination.rules import findings
from fhirplan.coordination.templates import apply, behaviors, transaction
from fhirplan.coordination.world import Change, MemoryWorld
from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import loads
from fhirplan.validation import Validator

ROOT = Path(__file__).parents[2]
CHICAGO = ZoneInfo("America/Chicago")
DEFINITIONS = {
    path.stem.removeprefix("PlanDefinition-"): loads(path.read_bytes())
    for path in sorted((ROOT / "profiles" / "plandefinitions").glob("*.json"))
}
ADMISSION = datetime.fromisoformat("2026-03-02T06:40:00-06:00")
DISCHARGE = datetime.fromisoformat("2026-03-06T15:00:00-06:00")
NOW = datetime.fromisoformat("2026-03-02T09:00:00-06:00")
ANCHORS = {"admission": ADMISSION, "discharge": DISCHARGE, "enrollment": NOW}
PEOPLE = [{"resourceType": "Patient", "id": "p"}, {"resourceType": "PractitionerRole", "id": "lead"}]


@pytest.fixture(scope="module")
def validator():
    return Validator.load(ROOT / "profiles")


@pytest.fixture(params=sorted(DEFINITIONS))
def definition(request):
    return DEFINITIONS[request.param]


def order(definition, anchors=ANCHORS, **more):
    values = {"patient": "Patient/p", "lead": "PractitionerRole/lead", "now": NOW, "zone": CHICAGO, **more}
    return Order(definition=definition, anchors=anchors, **values)


def ids():
    numbers = count(1)
    return lambda: f"new-{next(numbers)}"


def stored(application, known=()):
    """The record once an application is written."""
    changed = {f"{item['resourceType']}/{item['id']}": item for item in (*application.made, *application.changed)}
    kept = [item for item in known if f"{item['resourceType']}/{item['id']}" not in changed]
    return [*kept, *changed.values()]


def tasks(application):
    found = [item for item in (*application.made, *application.changed) if item["resourceType"] == "Task"]
    return {item["instantiatesUri"].rpartition("#")[2]: item for item in found}


def actions(definition):
    return {item["id"]: item for item in definition["action"] if "trigger" not in item}


def test_every_action_and_goal_is_made_once(definition):
    made = apply(order(definition), MemoryWorld(PEOPLE), ids()).made
    kinds = [item["resourceType"] for item in made]
    assert set(tasks(apply(order(definition), MemoryWorld(PEOPLE), ids()))) == set(actions(definition))
    assert kinds.count("Goal") == len(definition["goal"])
    assert (kinds.count("CareTeam"), kinds.count("CarePlan")) == (1, 1)
    assert len({(item["resourceType"], item["id"]) for item in made}) == len(made)


@pytest.mark.parametrize("anchors", [ANCHORS, {"admission": ADMISSION}, {}])
def test_what_is_made_is_valid_and_breaks_no_rule(definition, validator, anchors):
    application = apply(order(definition, anchors), MemoryWorld(PEOPLE), ids())
    for item in application.made:
        assert [one for one in validator.validate(item) if one.is_error] == []
    changes = [Change(None, item) for item in application.made]
    assert [one for one in findings(MemoryWorld(PEOPLE), changes, NOW, CHICAGO) if one.issue.is_error] == []


def test_the_new_plan_can_be_made_active(definition):
    application = apply(order(definition), MemoryWorld(PEOPLE), ids())
    record = stored(application, PEOPLE)
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    found = findings(MemoryWorld(record), [Change(plan, {**plan, "status": "active"})], NOW, CHICAGO)
    assert [item for item in found if item.issue.is_error] == []


def test_applying_again_adds_nothing(definition):
    record = stored(apply(order(definition), MemoryWorld(PEOPLE), ids()), PEOPLE)
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    again = apply(order(definition, plan=plan), MemoryWorld(record), ids())
    assert (again.made, again.changed) == ((), ())
    assert len(again.kept) == len(definition["goal"]) + len(actions(definition))


@given(st.sets(st.sampled_from(sorted(actions(DEFINITIONS["cm-heart-failure-discharge"])))))
def test_what_was_left_out_is_what_the_next_application_adds(left_out):
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    new_id = ids()
    first = apply(order(definition, left_out=frozenset(left_out)), MemoryWorld(PEOPLE), new_id)
    assert set(tasks(first)) == set(actions(definition)) - left_out
    record = stored(first, PEOPLE)
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    second = apply(order(definition, plan=plan), MemoryWorld(record), new_id)
    assert set(tasks(second)) == left_out
    whole = next(item for item in stored(second, record) if item["resourceType"] == "CarePlan")
    asked = [action for action in actions(definition).values() if "definitionCanonical" in action]
    assert len(whole["activity"]) == len(actions(definition)) + len(asked)
    assert len({item["reference"]["reference"] for item in whole["activity"]}) == len(whole["activity"])


def referrals(application):
    found = [item for item in (*application.made, *application.changed) if item["resourceType"] == "ServiceRequest"]
    return {item["instantiatesUri"][0].rpartition("#")[2]: item for item in found}


def test_an_action_that_names_a_service_makes_a_draft_referral_that_its_task_fulfills(definition, validator):
    plan = {"resourceType": "CarePlan", "id": "cp", "status": "active", "addresses": [{"reference": "Condition/why"}]}
    first = apply(order(definition, plan=plan), MemoryWorld([*PEOPLE, plan]), ids())
    wanted = {name for name, action in actions(definition).items() if "definitionCanonical" in action}
    assert set(referrals(first)) == wanted != set()
    for name, request in referrals(first).items():
        task, ref = tasks(first)[name], f"ServiceRequest/{request['id']}"
        assert task["focus"] == {"reference": ref}
        assert task["basedOn"] == [{"reference": "CarePlan/cp"}, {"reference": ref}]
        assert {item["code"] for item in task["code"]["coding"]} >= {"fulfill"}
        assert (request["status"], request["intent"]) == ("draft", "order")
        assert request["occurrencePeriod"] == task["restriction"]["period"]
        assert request["reasonReference"] == [{"reference": "Condition/why"}]
        assert request["performerType"] == task["performerType"][0]
        assert [item for item in validator.validate(request) if item.is_error] == []
        [whole] = [item for item in first.changed if item["resourceType"] == "CarePlan"]
        assert {"reference": {"reference": ref}} in whole["activity"]


def test_a_service_that_is_ordered_already_is_not_ordered_twice():
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    service = next(item for item in definition["contained"] if item["id"] == "service-hh")
    known = {
        "resourceType": "ServiceRequest",
        "id": "ordered",
        "status": "active",
        "category": [{"coding": service["code"]["coding"]}],
        "subject": {"reference": "Patient/p"},
    }
    found = apply(order(definition), MemoryWorld([*PEOPLE, known]), ids())
    assert set(referrals(found)) == {"scale"}
    assert tasks(found)["hh"]["focus"] == {"reference": "ServiceRequest/ordered"}
    over = {**known, "status": "completed"}
    assert set(referrals(apply(order(definition), MemoryWorld([*PEOPLE, over]), ids()))) == {"scale", "hh"}


def test_a_referral_is_dated_with_its_task_and_left_alone_once_somebody_ordered_it():
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    new_id = ids()
    first = apply(order(definition, {"admission": ADMISSION}), MemoryWorld(PEOPLE), new_id)
    assert all("occurrencePeriod" not in item for item in referrals(first).values())
    record = [
        {**item, "status": "active"} if "#scale" in str(item.get("instantiatesUri")) and "intent" in item else item
        for item in stored(first, PEOPLE)
    ]
    record = [{**item, "status": "draft"} if item["resourceType"] == "Task" else item for item in record]
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    second = apply(order(definition, plan=plan), MemoryWorld(record), new_id)
    assert set(referrals(second)) == {"hh"}
    assert referrals(second)["hh"]["occurrencePeriod"] == tasks(second)["hh"]["restriction"]["period"]
    again = apply(order(definition, plan=plan), MemoryWorld(stored(second, record)), new_id)
    assert (again.made, referrals(again)) == ((), {})


def test_what_is_left_out_makes_no_referral_either():
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    found = apply(order(definition, left_out=frozenset({"hh"})), MemoryWorld(PEOPLE), ids())
    assert set(referrals(found)) == {"scale"}


def test_a_task_is_draft_until_its_anchor_is_known():
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    new_id = ids()
    first = apply(order(definition, {"admission": ADMISSION}), MemoryWorld(PEOPLE), new_id)
    made = tasks(first)
    assert made["teach"]["status"] == "draft"
    assert "restriction" not in made["teach"]
    assert made["plan"]["status"] == "ready"
    assert made["plan"]["owner"] == {"reference": "PractitionerRole/lead"}
    assert made["risk"]["status"] == "requested"
    assert made["risk"]["performerType"][0]["coding"][0]["code"] == "hospital-case-manager"
    record = stored(first, PEOPLE)
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    second = apply(order(definition, plan=plan), MemoryWorld(record), new_id)
    moved = tasks(second)
    assert not second.made
    assert moved["teach"]["status"] == "requested"
    assert moved["post-discharge-call"]["status"] == "ready"
    assert "plan" not in moved
    goal = next(item for item in second.changed if item["resourceType"] == "Goal")
    assert goal["target"][0]["dueDate"] == "2026-04-05"


def test_what_a_person_has_changed_is_left_alone():
    definition = DEFINITIONS["cm-heart-failure-discharge"]
    first = apply(order(definition, {"admission": ADMISSION}), MemoryWorld(PEOPLE), ids())
    record = [
        {**item, "status": "cancelled"} if "#teach" in str(item.get("instantiatesUri")) else item
        for item in stored(first, PEOPLE)
    ]
    plan = next(item for item in record if item["resourceType"] == "CarePlan")
    assert "teach" not in tasks(apply(order(definition, plan=plan), MemoryWorld(record), ids()))


def test_the_windows_of_the_heart_failure_template():
    made = tasks(apply(order(DEFINITIONS["cm-heart-failure-discharge"]), MemoryWorld(PEOPLE), ids()))
    wanted = {
        "risk": ("2026-03-02T06:40:00-06:00", "2026-03-03T06:40:00-06:00"),
        "teach": ("2026-03-04T15:00:00-06:00", "2026-03-06T15:00:00-06:00"),
        # 48 hours as they pass, over the night in which the clocks change
        "hh": ("2026-03-06T15:00:00-06:00", "2026-03-08T16:00:00-05:00"),
        # Friday; the second business day is Tuesday
        "post-discharge-call": ("2026-03-06T15:00:00-06:00", "2026-03-10T23:59:59-05:00"),
        # days by the clock on the wall
        "visit": ("2026-03-06T15:00:00-06:00", "2026-03-13T15:00:00-05:00"),
        "wk2": ("2026-03-16T15:00:00-05:00", "2026-03-20T15:00:00-05:00"),
        "close": ("2026-04-05T15:00:00-05:00", "2026-04-12T15:00:00-05:00"),
    }
    said = {name: made[name]["restriction"]["period"] for name in wanted}
    assert said == {name: {"start": start, "end": end} for name, (start, end) in wanted.items()}


def test_every_window_of_the_guide_is_the_one_of_the_template(definition):
    """The due time lies where the action's own offset puts it, counted here in plain days and hours."""
    made = tasks(apply(order(definition), MemoryWorld(PEOPLE), ids()))
    for name, action in actions(definition).items():
        related = action["relatedAction"][0]
        anchor = ANCHORS[related["actionId"]]
        before = related["relationship"] == "before-start"
        offset = related["offsetRange"]["low" if before else "high"]
        if action["extension"][0]["valueCode"] == "business-days":
            continue
        hours = int(offset["value"]) * (24 if offset["code"] == "d" else 1) * (-1 if before else 1)
        due = datetime.fromisoformat(made[name]["restriction"]["period"]["end"])
        assert abs(due - (anchor + timedelta(hours=hours))) <= timedelta(hours=1), name


def test_a_role_held_by_one_member_of_the_team_owns_its_tasks():
    def member(code, ref, **more):
        system = "http://fhirplan.dev/fhir/CodeSystem/cm-care-team-role"
        return {"role": [{"coding": [{"system": system, "code": code}]}], "member": {"reference": ref}, **more}

    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "participant": [
            member("pharmacist", "Practitioner/ph"),
            member("registered-nurse", "Practitioner/a"),
            member("registered-nurse", "Practitioner/b"),
            member("home-health-nurse", "Practitioner/gone", period={"end": "2026-01-01"}),
        ],
    }
    application = apply(order(DEFINITIONS["cm-heart-failure-discharge"], team=team), MemoryWorld(PEOPLE), ids())
    made = tasks(application)
    assert made["medrec"]["owner"] == {"reference": "Practitioner/ph"}
    assert "owner" not in made["teach"]
    assert "owner" not in made["hh"]
    assert "CareTeam" not in {item["resourceType"] for item in application.made}
    assert application.made[-1]["careTeam"] == [{"reference": "CareTeam/team"}]


def test_a_target_keeps_its_measure_and_only_a_value_that_the_template_gives():
    made = apply(order(DEFINITIONS["cm-heart-failure-discharge"]), MemoryWorld(PEOPLE), ids()).made
    goals = {item["identifier"][0]["value"].rpartition("/")[2]: item for item in made if item["resourceType"] == "Goal"}
    assert goals["g-weight"]["target"][0].keys() == {"measure", "dueDate"}
    assert goals["g-followup"]["target"][0]["detailQuantity"]["value"] == 7
    assert all(item["lifecycleStatus"] == "proposed" for item in goals.values())


def test_an_action_whose_condition_does_not_hold_is_not_made():
    definition = dict(DEFINITIONS["cm-diabetes"])
    condition = [{"kind": "applicability", "expression": {"language": "text/fhirpath", "expression": "false"}}]
    definition["action"] = [
        {**item, "condition": condition} if item["id"] == "eye" else item for item in definition["action"]
    ]
    for holds in (True, False):
        made = tasks(apply(order(definition, applies=lambda _, holds=holds: holds), MemoryWorld(PEOPLE), ids()))
        assert ("eye" in made) == holds
        assert "foot" in made


@pytest.mark.parametrize("status", ["completed", "revoked", "entered-in-error"])
def test_a_plan_that_has_ended_takes_no_template(status):
    plan = {"resourceType": "CarePlan", "id": "x", "status": status}
    with pytest.raises(InvalidResource):
        apply(order(DEFINITIONS["cm-diabetes"], plan=plan), MemoryWorld([plan]), ids())


def test_what_is_no_template_is_refused():
    with pytest.raises(InvalidResource):
        apply(order({"resourceType": "PlanDefinition"}), MemoryWorld(PEOPLE), ids())


def test_the_transaction_writes_each_resource_once(definition):
    application = apply(order(definition), MemoryWorld(PEOPLE), ids())
    urls = [entry["request"]["url"] for entry in transaction(application)["entry"]]
    assert len(urls) == len(set(urls)) == len(application.made)


def test_the_behavior_of_each_action_is_known():
    found = behaviors(DEFINITIONS.values())
    url = "http://fhirplan.dev/fhir/PlanDefinition/cm-heart-failure-discharge|1.0.0"
    assert found[f"{url}#post-discharge-call"] == "must"
    assert found[f"{url}#wk3"] == "could"
    assert len(found) == sum(len(actions(item)) for item in DEFINITIONS.values())


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.integers(0, 90),
    st.integers(0, 90),
    st.sampled_from(["h", "d", "wk", "min"]),
    st.booleans(),
)
def test_a_window_opens_before_it_is_due(at, one, other, unit, before):
    low, high = sorted((one, other))
    related = {
        "relationship": "before-start" if before else "after-end",
        "offsetRange": {"low": {"value": low, "code": unit}, "high": {"value": high, "code": unit}},
    }
    anchor = at.replace(tzinfo=CHICAGO)
    found = window(anchor, related, False, CHICAGO)
    assert found.start.timestamp() <= found.due.timestamp()
    if low and unit in ("h", "d", "wk"):
        assert (found.due.timestamp() < anchor.timestamp()) == before


@pytest.mark.parametrize("offset", [{}, {"value": True, "code": "d"}, {"value": 3, "code": "a"}, {"code": "d"}])
def test_an_offset_that_cannot_be_read_gives_no_window(offset):
    assert window(NOW, {"relationship": "after-end", "offsetDuration": offset}, False, CHICAGO) is None


def test_the_templates_here_are_those_of_the_profiles_folder():
    assert set(DEFINITIONS) == {"cm-heart-failure-discharge", "cm-diabetes", "cm-copd-discharge"}
