"""coordination/state: the sample bundles' expected states, and equality with the slow reference on random records."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.coordination.progress import track
from fhirplan.coordination.state import state, summary
from fhirplan.coordination.world import MemoryWorld

CODES = "http://fhirplan.dev/fhir/CodeSystem/"
EXTENSIONS = "http://fhirplan.dev/fhir/StructureDefinition/"
ACHIEVEMENT = "http://terminology.hl7.org/CodeSystem/goal-achievement"
ZONES = ["America/Chicago", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "UTC"]
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
STATUSES = [
    "draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold",
    "completed", "failed", "rejected", "cancelled", "entered-in-error",
]  # fmt: skip
TYPES = ["contact-patient", "post-discharge-call", "manage-transition", "acknowledge-change", "arrange-service"]
STANDINGS = {"overdue": "overdue", "blocked": "blocked", "dueSoon": "due_soon", "unassigned": "unassigned"}


def computed(resources, plan, now, zone):
    world = MemoryWorld(resources)
    return state(world, world.get(plan), now, ZoneInfo(zone))


def test_each_sample_bundle_has_exactly_its_expected_state(scenario, resources):
    found = computed(resources, scenario["plan"], datetime.fromisoformat(scenario["now"]), scenario["timeZone"])
    wanted = {**scenario["expected"], "acuity": scenario["acuity"]}
    if "readmissionRisk" in scenario:
        wanted["readmissionRisk"] = scenario["readmissionRisk"]
    assert summary(found) == wanted
    for kind, name in STANDINGS.items():
        assert sorted(item.ref for item in found.having(name)) == sorted(scenario["tasks"][kind])


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def refers(*refs):
    return [{"reference": ref} for ref in refs]


@st.composite
def times(draw):
    """A moment around the clock, as a date or with a time, at a minute so that no two spellings mean the same."""
    at = BEGIN + timedelta(minutes=draw(st.integers(0, 60 * 24 * 14)))
    return at.date().isoformat() if draw(st.booleans()) else at.isoformat()


@st.composite
def tasks(draw, index):
    made = {
        "resourceType": "Task",
        "id": f"t{index}",
        "status": draw(st.sampled_from(STATUSES)),
        "priority": draw(st.sampled_from(["routine", "urgent", "asap", "stat"])),
        "code": concept(CODES + "cm-task-type", draw(st.sampled_from(TYPES))),
        "authoredOn": (BEGIN + timedelta(minutes=index)).isoformat(),
    }
    if draw(st.booleans()):
        made["owner"] = {"reference": "Practitioner/n"}
    if draw(st.booleans()):
        made["restriction"] = {"period": {"end": draw(times())}}
    if draw(st.booleans()):
        made["basedOn"] = refers(draw(st.sampled_from(["CarePlan/p", "ServiceRequest/s0", "ServiceRequest/s1"])))
    # Only earlier tasks are parents or blockers, so there is no cycle and nothing dangles.
    if index and draw(st.booleans()):
        made["partOf"] = refers(f"Task/t{draw(st.integers(0, index - 1))}")
    if draw(st.integers(0, 3)) == 0:
        blockers = ["ServiceRequest/s0", "Condition/c", *(f"Task/t{i}" for i in range(index))]
        made["extension"] = [
            {"url": EXTENSIONS + "cm-blocked-by", "valueReference": {"reference": draw(st.sampled_from(blockers))}}
        ]
    if made["code"]["coding"][0]["code"] == "manage-transition":
        stage = draw(st.sampled_from(["discharged", "readmitted", "stable"]))
        made["businessStatus"] = concept(CODES + "cm-transition-stage", stage)
    elif draw(st.integers(0, 2)) == 0:
        names = ["awaiting-owner", "waitlisted", "scheduled", "contact-attempted", "loop-closed"]
        made["businessStatus"] = concept(CODES + "cm-business-status", draw(st.sampled_from(names)))
    return made


@st.composite
def goals(draw, index):
    names = ["in-progress", "improving", "no-change", "worsening", "achieved", "sustaining", "not-attainable"]
    made = {
        "resourceType": "Goal",
        "id": f"g{index}",
        "lifecycleStatus": draw(st.sampled_from(["proposed", "active", "active", "on-hold", "completed", "cancelled"])),
        "priority": concept("x", draw(st.sampled_from(["high-priority", "low-priority"]))),
    }
    made["priority"]["coding"][0]["system"] = "http://terminology.hl7.org/CodeSystem/goal-priority"
    if draw(st.booleans()):
        made["achievementStatus"] = concept(ACHIEVEMENT, draw(st.sampled_from(names)))
    days = draw(st.lists(st.integers(0, 14), max_size=2))
    if days:
        made["target"] = [{"dueDate": (BEGIN + timedelta(days=day)).date().isoformat()} for day in days]
    return made


@st.composite
def communications(draw, index, count):
    about = ["CarePlan/p", "ServiceRequest/s0", "Task/elsewhere", *(f"Task/t{i}" for i in range(count))]
    outcomes = ["reached", "declined", "acknowledged", "no-answer", "left-message"]
    return {
        "resourceType": "Communication",
        "id": f"m{index}",
        "status": draw(st.sampled_from(["completed", "completed", "not-done", "in-progress"])),
        "basedOn": refers(draw(st.sampled_from(about))),
        draw(st.sampled_from(["sent", "received"])): draw(times()),
        "extension": [
            {
                "url": EXTENSIONS + "cm-contact-outcome",
                "valueCodeableConcept": concept(CODES + "cm-contact-outcome", draw(st.sampled_from(outcomes))),
            }
        ],
    }


@st.composite
def records(draw):
    count = draw(st.integers(0, 8))
    made = [draw(tasks(index)) for index in range(count)]
    made += [draw(communications(index, count)) for index in range(draw(st.integers(0, 3)))]
    goal_list = [draw(goals(index)) for index in range(draw(st.integers(0, 3)))]
    acuity = draw(st.sampled_from(["low", "moderate", "high", "intensive"]))
    plan = {
        "resourceType": "CarePlan",
        "id": "p",
        "status": draw(st.sampled_from(["active", "active", "on-hold", "draft", "completed"])),
        "period": {"start": draw(times())},
        "extension": [{"url": EXTENSIONS + "cm-acuity", "valueCodeableConcept": concept(CODES + "cm-acuity", acuity)}],
        "goal": refers(*(f"Goal/{item['id']}" for item in goal_list)),
    }
    requests = [
        {
            "resourceType": "ServiceRequest",
            "id": f"s{index}",
            "status": draw(st.sampled_from(["draft", "active", "on-hold", "completed", "revoked"])),
            "basedOn": refers(based),
        }
        for index, based in enumerate(["CarePlan/p", "CarePlan/other"])
    ]
    clinical = draw(st.sampled_from(["active", "inactive", "resolved"]))
    condition = {"resourceType": "Condition", "id": "c", "clinicalStatus": {"coding": [{"code": clinical}]}}
    return [plan, *requests, condition, *goal_list, *made]


@settings(max_examples=150)
@given(records(), st.integers(0, 60 * 24 * 14), st.sampled_from(ZONES))
def test_the_state_equals_the_slow_reference(reference, record, minute, zone):
    now = BEGIN + timedelta(minutes=minute)
    everything = {f"{item['resourceType']}/{item['id']}": item for item in record}
    wanted = reference.state(everything, "CarePlan/p", now, zone)
    names = wanted.pop("tasks")
    found = computed(record, "CarePlan/p", now, zone)
    said = summary(found)
    said.pop("acuity")
    assert said == wanted
    assert {kind: {item.ref for item in found.having(name)} for kind, name in STANDINGS.items()} == names


@settings(max_examples=50)
@given(records(), st.randoms(use_true_random=False))
def test_the_order_in_which_resources_come_does_not_matter(record, random):
    now, zone = BEGIN + timedelta(days=7), "America/Chicago"
    wanted = summary(computed(record, "CarePlan/p", now, zone))
    random.shuffle(record)
    assert summary(computed(record, "CarePlan/p", now, zone)) == wanted


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"coding": 7}, [["x"]], {"reference": 7}, True])
@pytest.mark.parametrize(
    "element",
    ["status", "code", "partOf", "basedOn", "restriction", "extension", "businessStatus", "owner", "priority"],
)
def test_a_malformed_task_is_computed_all_the_same(element, wrong):
    plan = {"resourceType": "CarePlan", "id": "p", "status": "active"}
    task = {"resourceType": "Task", "id": "t", "status": "ready", "basedOn": refers("CarePlan/p"), element: wrong}
    child = {"resourceType": "Task", "id": "u", "status": "ready", "partOf": refers("Task/t")}
    found = summary(computed([plan, task, child], "CarePlan/p", BEGIN, "UTC"))
    assert found["openTasks"] in (0, 1, 2)


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"coding": 7}, [["x"]], {"reference": 7}, True])
@pytest.mark.parametrize("element", ["status", "period", "extension", "goal", "supportingInfo", "activity", "author"])
def test_a_malformed_plan_is_computed_all_the_same(element, wrong):
    plan = {"resourceType": "CarePlan", "id": "p", "status": "active", element: wrong}
    assert summary(computed([plan], "CarePlan/p", BEGIN, "UTC"))["openTasks"] == 0


def test_a_plan_is_ready_to_close_when_all_it_set_going_has_ended():
    plan = {"resourceType": "CarePlan", "id": "p", "status": "active", "goal": refers("Goal/g")}
    task = {"resourceType": "Task", "id": "t", "status": "completed", "basedOn": refers("CarePlan/p")}
    goal = {"resourceType": "Goal", "id": "g", "lifecycleStatus": "completed"}
    assert computed([plan, task, goal], "CarePlan/p", BEGIN, "UTC").ready_to_close
    for changed in (
        [plan, {**task, "status": "ready"}, goal],
        [plan, task, {**goal, "lifecycleStatus": "active"}],
        [{**plan, "status": "on-hold"}, task, goal],
        [plan, goal],
    ):
        assert not computed(changed, "CarePlan/p", BEGIN, "UTC").ready_to_close


@pytest.mark.parametrize(
    ("lifecycle", "achievement", "due", "wanted"),
    [
        ("active", "achieved", "2026-01-01", "achieved"),
        ("completed", "sustaining", None, "achieved"),
        ("completed", "not-achieved", None, ""),
        ("active", None, None, "on-track"),
        ("active", "improving", "2026-03-01", "on-track"),
        ("active", "improving", "2026-02-28", "off-track"),
        ("active", "no-change", None, "at-risk"),
        ("active", "worsening", "2027-01-01", "off-track"),
        ("on-hold", "worsening", None, ""),
    ],
)
def test_a_goal_stands_as_its_achievement_and_due_dates_say(lifecycle, achievement, due, wanted):
    goal = {"resourceType": "Goal", "id": "g", "lifecycleStatus": lifecycle}
    if achievement:
        goal["achievementStatus"] = concept(ACHIEVEMENT, achievement)
    if due:
        goal["target"] = [{"dueDate": due}]
    assert track(goal, BEGIN, ZoneInfo("UTC")) == wanted


def test_the_next_contact_keeps_the_time_on_the_clock_when_the_clocks_change(bundles):
    record = bundles["b01-hf-home-health"]
    found = computed(record, "CarePlan/cp-hf-1", datetime.fromisoformat("2026-03-09T08:00:00-05:00"), "America/Chicago")
    assert found.contact.written == "2026-03-06T13:00:00-06:00"
    assert found.next_contact_due.isoformat() == "2026-03-20T13:00:00-05:00"
