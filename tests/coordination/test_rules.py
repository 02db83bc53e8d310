"""coordination/rules: each cross-resource rule, when it holds and when it does not (guide section 3.6)."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirplan.coordination.rules import findings
from fhirplan.coordination.world import After, Change, MemoryWorld

ZONE = ZoneInfo("America/Chicago")
NOW = datetime.fromisoformat("2026-03-12T12:00:00-05:00")
CODES = "http://fhirplan.dev/fhir/CodeSystem/"
TEMPLATE = "http://fhirplan.dev/fhir/PlanDefinition/x|1#"
BEHAVIORS = {TEMPLATE + "must": "must", TEMPLATE + "could": "could"}


def concept(system, code):
    return {"coding": [{"system": system if "://" in system else CODES + system, "code": code}]}


def refers(*refs):
    return [{"reference": ref} for ref in refs]


def resource(kind, id_="x", patient="Patient/p", **more):
    element = {"Task": "for", "Consent": "patient"}.get(kind, "subject")
    made = {"resourceType": kind, "id": id_}
    if kind not in ("Patient", "Practitioner", "PractitionerRole", "Organization", "Observation"):
        made[element] = {"reference": patient}
    return {**made, **more}


def task(id_="t", status="ready", type_="record-review", **more):
    return resource("Task", id_, status=status, code=concept("cm-task-type", type_), **more)


def plan(id_="plan", status="active", **more):
    category = [concept("cm-careplan-category", "case-management"), concept("cm-program", "maternity")]
    return resource("CarePlan", id_, status=status, category=category, **more)


def team(id_="team", status="active", member="PractitionerRole/lead", period=None, role="case-manager"):
    participant = {"role": [concept("cm-care-team-role", role)], "member": {"reference": member}}
    if period:
        participant["period"] = period
    return resource("CareTeam", id_, status=status, participant=[participant])


def contact(outcome, status="completed", id_="m", **more):
    extension = {
        "url": "http://fhirplan.dev/fhir/StructureDefinition/cm-contact-outcome",
        "valueCodeableConcept": concept("cm-contact-outcome", outcome),
    }
    return resource("Communication", id_, status=status, extension=[extension], **more)


def judged(before, after, *others, **options):
    """What the rules say of one change in a record of others: {rule: [(severity, code, expression)]}."""
    known = [*others, *([before] if before else [])]
    found = findings(MemoryWorld(known, BEHAVIORS), [Change(before, after)], NOW, ZONE, **options)
    said = {}
    for item in (one.issue for one in found):
        said.setdefault(item.rule, []).append((item.severity, item.code, item.expression))
    return said


REVIEW = task("review", "draft", "review-plan", basedOn=refers("CarePlan/plan"))
ERROR, WARNING = "error", "warning"


# cm-x-01


@pytest.mark.parametrize(
    ("made", "where"),
    [
        (task(basedOn=refers("CarePlan/plan")), "Task.for"),
        (resource("ServiceRequest", basedOn=refers("CarePlan/plan"), status="draft"), "ServiceRequest.subject"),
        (resource("Communication", basedOn=refers("CarePlan/plan"), status="preparation"), "Communication.subject"),
        (resource("CarePlan", partOf=refers("CarePlan/plan"), status="draft"), "CarePlan.subject"),
    ],
)
def test_all_that_refers_to_each_other_is_about_one_patient(made, where):
    other = plan(patient="Patient/q")
    assert judged(None, made, other)["cm-x-01"] == [(ERROR, "business-rule", where)]
    assert "cm-x-01" not in judged(None, made, plan())
    assert judged(None, made, other, imported=True)["cm-x-01"] == [(WARNING, "business-rule", where)]


def test_a_plan_does_not_move_to_another_patient_away_from_its_tasks():
    moved = plan(patient="Patient/q")
    child = task(basedOn=refers("CarePlan/plan"))
    assert judged(plan(), moved, child)["cm-x-01"] == [(ERROR, "business-rule", "CarePlan.subject")]
    assert "cm-x-01" not in judged(plan(), moved)


def test_both_may_change_in_one_transaction():
    """The rules see the record as it is after all changes, whatever their order."""
    world = MemoryWorld([plan()])
    changes = [
        Change(None, task("t", basedOn=refers("CarePlan/new"), patient="Patient/q")),
        Change(None, plan("new", "draft", patient="Patient/q")),
    ]
    for order in (changes, changes[::-1]):
        assert [item for item in findings(world, order, NOW, ZONE) if item.issue.is_error] == []


# cm-x-02


def test_what_is_referred_to_is_here():
    made = task(basedOn=refers("CarePlan/plan"))
    assert judged(None, made)["cm-x-02"] == [(ERROR, "not-found", "Task.basedOn[0]")]
    assert "cm-x-02" not in judged(None, made, plan())
    assert judged(None, made, plan(status="entered-in-error"))["cm-x-02"] == [
        (WARNING, "business-rule", "Task.basedOn[0]")
    ]


def test_a_reference_that_stood_before_its_target_went_only_warns():
    before = task(basedOn=refers("CarePlan/plan"))
    assert judged(before, {**before, "status": "in-progress"})["cm-x-02"] == [(WARNING, "not-found", "Task.basedOn[0]")]


@pytest.mark.parametrize("ref", ["https://ehr.example.org/fhir/CarePlan/9", "urn:uuid:1", "#here", "Medication/9"])
def test_other_references_are_not_checked(ref):
    assert "cm-x-02" not in judged(None, task(basedOn=refers(ref)))


# cm-x-03, 08


def test_a_revoked_plan_warns_of_the_work_that_goes_on():
    others = [
        task("a", "in-progress", basedOn=refers("CarePlan/plan")),
        task("b", "on-hold", basedOn=refers("CarePlan/plan")),
        task("c", "ready", basedOn=refers("CarePlan/plan")),
        task("d", "completed", basedOn=refers("CarePlan/plan")),
    ]
    assert len(judged(plan(), plan(status="revoked"), *others)["cm-x-03"]) == 2
    assert len(judged(plan(), plan(status="entered-in-error"), *others)["cm-x-03"]) == 3
    assert "cm-x-03" not in judged(plan(), plan(status="on-hold"), *others)


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({"instantiatesUri": TEMPLATE + "must"}, ERROR),
        ({"instantiatesUri": TEMPLATE + "could", "priority": "stat"}, WARNING),
        ({"priority": "urgent"}, ERROR),
        ({"priority": "routine"}, WARNING),
        ({}, WARNING),
    ],
)
def test_a_plan_is_not_completed_over_work_that_must_be_done(more, level):
    open_ = task(basedOn=refers("CarePlan/plan"), **more)
    where = (level, "business-rule", "CarePlan.status")
    assert judged(plan(), plan(status="completed"), open_)["cm-x-08"] == [where]
    assert "cm-x-08" not in judged(plan(), plan(status="completed"), {**open_, "status": "completed"})
    assert "cm-x-08" not in judged(plan(), plan(status="completed"), {**open_, "status": "draft"})


def test_a_completed_plan_warns_of_each_goal_still_active():
    goal = resource("Goal", "g", lifecycleStatus="active")
    done = plan(status="completed", goal=refers("Goal/g"))
    assert judged(plan(goal=refers("Goal/g")), done, goal)["cm-x-08"] == [(WARNING, "business-rule", "CarePlan.goal")]


# cm-x-06, 07, 20, 21, 22


def test_a_fulfilled_request_is_closed_with_its_task():
    request = resource("ServiceRequest", "r", status="active")
    before = task(status="in-progress", focus={"reference": "ServiceRequest/r"})
    done = {**before, "status": "completed"}
    assert judged(before, done, request)["cm-x-06"] == [(WARNING, "business-rule", "Task.focus")]
    assert "cm-x-06" not in judged(before, done, {**request, "status": "completed"})
    over = {**request, "status": "completed"}
    assert judged(request, over, before)["cm-x-06"] == [(WARNING, "business-rule", "ServiceRequest.status")]
    assert "cm-x-06" not in judged(request, over, done)


def test_a_goal_that_ends_warns_of_a_task_that_serves_only_it():
    def serving(*goals):
        url = "http://hl7.org/fhir/StructureDefinition/resource-pertainsToGoal"
        return task(extension=[{"url": url, "valueReference": {"reference": ref}} for ref in goals])

    goal = resource("Goal", "g", lifecycleStatus="active")
    other = resource("Goal", "h", lifecycleStatus="active")
    ended = {**goal, "lifecycleStatus": "cancelled"}
    assert judged(goal, ended, serving("Goal/g"))["cm-x-07"] == [(WARNING, "business-rule", "Goal.lifecycleStatus")]
    assert "cm-x-07" not in judged(goal, ended, serving("Goal/g", "Goal/h"), other)


def test_an_active_request_that_nobody_arranges_is_an_open_loop():
    request = resource("ServiceRequest", "r", status="active")

    def arranged(status, when="2026-03-01T00:00:00Z"):
        return task(status=status, focus={"reference": "ServiceRequest/r"}, lastModified=when)

    assert judged(None, request)["cm-x-20"] == [(WARNING, "business-rule", "ServiceRequest.status")]
    for status in ("requested", "completed", "in-progress"):
        assert "cm-x-20" not in judged(None, request, arranged(status))
    assert "cm-x-20" in judged(None, request, arranged("rejected"))
    assert "cm-x-20" not in judged(None, request, arranged("rejected", "2026-03-12T00:00:00Z"))


def test_a_parent_is_not_completed_before_its_children():
    parent, part = task("t", "in-progress"), task("c", "ready", partOf=refers("Task/t"))
    done = {**parent, "status": "completed"}
    assert judged(parent, done, part)["cm-x-21"] == [(ERROR, "business-rule", "Task.status")]
    assert "cm-x-21" not in judged(parent, done, {**part, "status": "cancelled"})
    assert judged(None, part, done)["cm-x-21"] == [(ERROR, "business-rule", "Task.partOf")]


def test_a_child_may_be_completed_with_its_parent_in_one_transaction():
    parent, part = task("t", "in-progress"), task("c", "in-progress", partOf=refers("Task/t"))
    changes = [Change(item, {**item, "status": "completed"}) for item in (parent, part)]
    found = findings(MemoryWorld([parent, part]), changes, NOW, ZONE)
    assert [item for item in found if item.issue.is_error] == []


def test_a_cancelled_parent_warns_of_children_that_were_begun():
    parent = task("t", "in-progress")
    ended = {**parent, "status": "cancelled"}
    begun = task("c", "in-progress", partOf=refers("Task/t"))
    assert judged(parent, ended, begun)["cm-x-22"] == [(WARNING, "business-rule", "Task.status")]
    assert "cm-x-22" not in judged(parent, ended, {**begun, "status": "ready"})


# cm-x-09, 10, 14, 15, 29, 31


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        (team(), True),
        (team(period={"start": "2026-03-12"}), True),
        (team(period={"end": "2026-03-12"}), True),
        (team(period={"end": "2026-03-11"}), False),
        (team(period={"start": "2026-03-13"}), False),
        (team(status="inactive"), False),
        (team(role="registered-nurse"), False),
    ],
)
def test_an_active_plan_has_a_lead_today(found, allowed):
    made = plan(careTeam=refers("CareTeam/team"))
    said = judged(None, made, found)
    assert ("cm-x-09" not in said) == allowed
    if not allowed:
        assert said["cm-x-09"] == [(ERROR, "business-rule", "CarePlan.careTeam")]
    assert "cm-x-09" not in judged(None, {**made, "status": "draft"}, found)


def test_a_team_elsewhere_is_not_checked_and_a_contained_one_is():
    assert "cm-x-09" not in judged(None, plan(careTeam=refers("https://ehr.example.org/fhir/CareTeam/1")))
    inside = plan(careTeam=refers("#team"), contained=[team()])
    assert "cm-x-09" not in judged(None, inside)
    assert "cm-x-09" in judged(None, {**inside, "contained": [team(status="inactive")]})


def test_the_owner_of_a_task_is_on_the_team():
    others = [plan(careTeam=refers("CareTeam/team")), team(), resource("ServiceRequest", "r", status="active",
              performer=refers("Organization/hha")),
              resource("PractitionerRole", "lead", practitioner={"reference": "Practitioner/n"})]  # fmt: skip

    def owned(ref, **more):
        return task(basedOn=refers("CarePlan/plan"), owner={"reference": ref}, **more)

    assert judged(None, owned("Practitioner/z"), *others)["cm-x-10"] == [(WARNING, "business-rule", "Task.owner")]
    for ref in ("PractitionerRole/lead", "Practitioner/n", "Patient/p"):
        assert "cm-x-10" not in judged(None, owned(ref), *others)
    focus = {"reference": "ServiceRequest/r"}
    assert "cm-x-10" not in judged(None, owned("Organization/hha", focus=focus), *others)
    assert "cm-x-10" in judged(None, owned("Organization/hha"), *others)


def test_an_active_plan_has_not_run_out_and_is_reviewed():
    assert judged(None, plan(period={"end": "2026-03-11"}), REVIEW)["cm-x-14"] == [
        (WARNING, "business-rule", "CarePlan.period.end")
    ]
    assert "cm-x-14" not in judged(None, plan(period={"end": "2026-03-12"}), REVIEW)
    assert judged(None, plan())["cm-x-15"] == [(WARNING, "business-rule", "CarePlan")]
    assert "cm-x-15" not in judged(None, plan(), REVIEW)


def test_one_plan_for_a_patient_and_program():
    assert judged(None, plan(), plan("twin"))["cm-x-29"] == [(WARNING, "duplicate", "CarePlan.category")]
    assert "cm-x-29" not in judged(None, plan(), plan("twin", "completed"))
    assert "cm-x-29" not in judged(None, plan(), plan("twin", patient="Patient/q"))


def test_the_lead_has_a_current_qualification():
    role = resource("PractitionerRole", "lead", practitioner={"reference": "Practitioner/n"})
    code = {"text": "RN"}

    def nurse(**period):
        return resource("Practitioner", "n", qualification=[{"code": code, "period": period}] if period else [])

    where = (WARNING, "business-rule", "CareTeam.participant[0].member")
    assert judged(None, team(), role, nurse())["cm-x-31"] == [where]
    assert judged(None, team(), role, nurse(end="2025-12-31"))["cm-x-31"] == [where]
    assert "cm-x-31" not in judged(None, team(), role, nurse(end="2027-12-31"))
    assert "cm-x-31" not in judged(None, team(), role)


# cm-x-17, 18


def stay(**more):
    return resource(
        "Encounter",
        "e",
        status="finished",
        **{"class": {"code": "IMP"}},
        period={"start": "2026-03-08T10:00:00-05:00", "end": "2026-03-12T10:00:00-05:00"},
        hospitalization={"dischargeDisposition": concept("https://www.nubc.org/CodeSystem/PatDischargeStatus", "01")},
        **more,
    )


def due(type_, end):
    return task(type_, "ready", type_, basedOn=refers("CarePlan/plan"), restriction={"period": {"end": end}})


@pytest.mark.parametrize(
    ("tasks", "rules"),
    [
        ([], {"cm-x-17", "cm-x-18"}),
        # Thursday: two business days later is Monday.
        ([due("post-discharge-call", "2026-03-16"), due("post-discharge-visit", "2026-03-26")], set()),
        ([due("post-discharge-call", "2026-03-17"), due("post-discharge-visit", "2026-03-26")], {"cm-x-17"}),
        ([due("post-discharge-call", "2026-03-16"), due("post-discharge-visit", "2026-03-27")], {"cm-x-18"}),
    ],
)
def test_a_discharge_home_calls_for_a_call_and_a_visit(tasks, rules):
    where = "Encounter.hospitalization.dischargeDisposition"
    found = judged(None, stay(), plan(), *tasks)
    assert set(found) == rules
    assert all(item == [(WARNING, "business-rule", where)] for item in found.values())


def test_a_discharge_elsewhere_or_without_a_plan_calls_for_nothing():
    assert judged(None, stay(), plan(status="draft")) == {}
    assert judged(None, {**stay(), "class": {"code": "AMB"}}, plan()) == {}
    snf = {"dischargeDisposition": concept("https://www.nubc.org/CodeSystem/PatDischargeStatus", "03")}
    assert judged(None, {**stay(), "hospitalization": snf}, plan()) == {}


def test_high_acuity_brings_the_visit_forward_to_seven_days():
    url = "http://fhirplan.dev/fhir/StructureDefinition/cm-acuity"
    keen = plan(extension=[{"url": url, "valueCodeableConcept": concept("cm-acuity", "high")}])
    tasks = [due("post-discharge-call", "2026-03-16"), due("post-discharge-visit", "2026-03-20")]
    assert set(judged(None, stay(), keen, *tasks)) == {"cm-x-18"}
    assert judged(None, stay(), keen, tasks[0], due("post-discharge-visit", "2026-03-19")) == {}


def test_holidays_are_no_business_days():
    tasks = [due("post-discharge-call", "2026-03-17"), due("post-discharge-visit", "2026-03-19")]
    assert set(judged(None, stay(), plan(), *tasks)) == {"cm-x-17"}
    assert judged(None, stay(), plan(), *tasks, holidays={datetime(2026, 3, 13).date()}) == {}


# cm-x-23


@pytest.mark.parametrize(
    ("made", "other", "where"),
    [
        (task("a", partOf=refers("Task/b")), task("b", partOf=refers("Task/a")), "Task.partOf"),
        (plan("a", "draft", partOf=refers("CarePlan/b")), plan("b", partOf=refers("CarePlan/a")), "CarePlan.partOf"),
        (plan("a", "draft", replaces=refers("CarePlan/a")), plan("b"), "CarePlan.replaces"),
    ],
)
def test_nothing_is_part_of_itself(made, other, where):
    assert judged(None, made, other)["cm-x-23"] == [(ERROR, "structure", where)]


def test_a_cycle_elsewhere_neither_hangs_nor_blames_the_change():
    others = [task("b", partOf=refers("Task/c")), task("c", partOf=refers("Task/b"))]
    assert "cm-x-23" not in judged(None, task("a", partOf=refers("Task/b")), *others)


def test_a_task_does_not_block_itself_in_the_end():
    def blocked(id_, by):
        url = "http://fhirplan.dev/fhir/StructureDefinition/cm-blocked-by"
        return task(id_, extension=[{"url": url, "valueReference": {"reference": f"Task/{by}"}}])

    others = [blocked("b", "c"), blocked("c", "a")]
    assert judged(None, blocked("a", "b"), *others)["cm-x-23"] == [(ERROR, "structure", "Task.extension")]


# cm-x-24


@pytest.mark.parametrize("death", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-03-11"}])
def test_a_death_warns_of_what_is_still_pursued(death):
    alive = resource("Patient", "p")
    goal = resource("Goal", "g", lifecycleStatus="active")
    others = [task("a"), task("b", "ready", "close-case"), task("c", "completed"), goal, plan(goal=refers("Goal/g"))]
    assert judged(alive, {**alive, **death}, *others)["cm-x-24"] == [(WARNING, "business-rule", "Patient.deceased")] * 2
    dead = {**alive, **death}
    assert "cm-x-24" not in judged(dead, dead, *others)
    assert judged(None, task(), dead)["cm-x-24"] == [(WARNING, "business-rule", "Task.status")]
    assert "cm-x-24" not in judged(None, task(type_="close-case"), dead)


# cm-x-25


def consent(actor="Organization/clinic", **more):
    provision = {"type": "permit", "period": {"end": "2026-12-31"}, "actor": [{"reference": {"reference": actor}}]}
    category = [concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "42CFRPart2CD")]
    return resource("Consent", "consent", status="active", category=category, provision={**provision, **more})


LABEL = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}]}
PEOPLE = [
    resource("PractitionerRole", "own", organization={"reference": "Organization/own"}),
    resource("PractitionerRole", "doc", organization={"reference": "Organization/clinic"}),
]


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (consent(), True),
        (consent(period={}), True),
        (consent(period={"end": "2026-03-11"}), False),
        (consent(period={"start": "2026-03-13"}), False),
        (consent(type="deny"), False),
        (consent("Organization/other"), False),
        ({**consent(), "status": "inactive"}, False),
        ({**consent(), "patient": {"reference": "Patient/q"}}, False),
        ({**consent(), "category": []}, False),
        (resource("Patient", "nobody"), False),
    ],
)
@pytest.mark.parametrize("recipient", ["Organization/clinic", "PractitionerRole/doc"])
def test_substance_use_records_go_only_where_a_consent_permits(given, allowed, recipient):
    made = resource(
        "Communication",
        "m",
        meta=LABEL,
        status="completed",
        sender={"reference": "PractitionerRole/own"},
        recipient=refers(recipient),
    )
    said = judged(None, made, given, *PEOPLE)
    assert ("cm-x-25" not in said) == allowed
    if not allowed:
        assert said["cm-x-25"] == [(ERROR, "forbidden", "Communication.meta.security")]


def test_the_patient_and_ones_own_organization_are_not_strangers():
    for recipient in ("Patient/p", "RelatedPerson/r", "Organization/own"):
        made = resource("Communication", "m", meta=LABEL, status="completed", recipient=refers(recipient),
                        sender={"reference": "PractitionerRole/own"})  # fmt: skip
        assert "cm-x-25" not in judged(None, made, *PEOPLE)


def test_what_was_sent_already_is_not_refused_when_the_consent_has_ended():
    request = resource("ServiceRequest", "r", meta=LABEL, status="active", performer=refers("Organization/clinic"))
    noted = {**request, "note": [{"text": "Called."}]}
    assert "cm-x-25" not in judged(request, noted, *PEOPLE)
    assert "cm-x-25" in judged(request, {**noted, "performer": refers("Organization/other")}, *PEOPLE)
    assert "cm-x-25" in judged({**request, "status": "draft"}, noted, *PEOPLE)
    assert "cm-x-25" not in judged(None, {**request, "status": "draft"}, *PEOPLE)
    assert "cm-x-25" not in judged(None, {**request, "meta": {}}, *PEOPLE)


# cm-x-26, 27, 28, 32


def test_the_third_attempt_without_contact_warns():
    def tried(id_, outcome, hour):
        return contact(outcome, "completed", id_, basedOn=refers("Task/t"), sent=f"2026-03-11T{hour:02}:00:00Z")

    before = [task(), tried("a", "no-answer", 8), tried("b", "left-message", 9)]
    third = tried("c", "disconnected", 10)
    assert judged(None, third, *before)["cm-x-26"] == [(WARNING, "business-rule", "Communication.basedOn")]
    assert "cm-x-26" not in judged(None, third, *before[:2])
    assert "cm-x-26" not in judged(None, third, *before, tried("d", "reached", 9))
    assert "cm-x-26" not in judged(None, tried("c", "reached", 10), *before)


def test_an_active_goal_can_be_attained_and_is_measured_by_its_outcome():
    achievement = concept("http://terminology.hl7.org/CodeSystem/goal-achievement", "not-attainable")
    goal = resource("Goal", "g", lifecycleStatus="active", achievementStatus=achievement)
    assert judged(None, goal)["cm-x-27"] == [(WARNING, "business-rule", "Goal.achievementStatus")]
    weight, height = concept("http://loinc.org", "29463-7"), concept("http://loinc.org", "8302-2")

    def seen(id_, code, when):
        return resource("Observation", id_, code=code, effectiveDateTime=when)

    measured = resource("Goal", "g", lifecycleStatus="active", target=[{"measure": weight}],
                        outcomeReference=refers("Observation/a", "Observation/b"))  # fmt: skip
    where = (WARNING, "business-rule", "Goal.outcomeReference")
    old, new = "2026-03-01", "2026-03-10"
    assert judged(None, measured, seen("a", weight, old), seen("b", height, new))["cm-x-27"] == [where]
    assert "cm-x-27" not in judged(None, measured, seen("a", weight, new), seen("b", height, old))


@pytest.mark.parametrize("type_", ["post-discharge-call", "contact-patient"])
def test_a_call_is_completed_only_when_somebody_was_reached(type_):
    before = task("t", "in-progress", type_)
    done = {**before, "status": "completed"}
    output = {"type": concept("cm-io-type", "resulting-activity"), "valueReference": {"reference": "Communication/m"}}
    assert judged(before, done)["cm-x-28"] == [(ERROR, "business-rule", "Task.output")]
    assert "cm-x-28" in judged(before, {**done, "output": [output]}, contact("no-answer", "not-done"))
    assert "cm-x-28" not in judged(before, {**done, "output": [output]}, contact("reached"))
    assert "cm-x-28" not in judged(before, done, contact("declined", basedOn=refers("Task/t")))
    assert "cm-x-28" not in judged(before, {**before, "status": "failed"})
    assert "cm-x-28" not in judged(task("t", "in-progress"), task("t", "completed"))


STATUSES = [
    "draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold",
    "completed", "failed", "rejected", "cancelled", "entered-in-error",
]  # fmt: skip


def business_statuses():
    text = (Path(__file__).parents[2] / "profiles/codesystems/CodeSystem-cm-business-status.json").read_text()
    return [
        (item["code"], one["valueString"].split())
        for item in json.loads(text)["concept"]
        for one in item["property"]
        if one["code"] == "allowedTaskStatus"
    ]


@pytest.mark.parametrize(("business", "allowed"), business_statuses())
def test_a_business_status_goes_with_the_statuses_its_code_allows(business, allowed):
    for status in STATUSES:
        said = judged(task(status=status), task(status=status, businessStatus=concept("cm-business-status", business)))
        assert ("cm-x-32" not in said) == (status in allowed)
        if status not in allowed:
            assert said["cm-x-32"] == [(ERROR, "business-rule", "Task.businessStatus")]


# what holds for all of them


@pytest.mark.parametrize("kind", ["CarePlan", "Goal", "CareTeam", "Task", "ServiceRequest", "Communication",
                                  "Condition", "Encounter", "Patient"])  # fmt: skip
@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"reference": 7}, [{"reference": "Task/x"}]])
def test_a_malformed_resource_is_judged_without_failing(kind, wrong):
    names = [
        "status",
        "subject",
        "for",
        "basedOn",
        "partOf",
        "extension",
        "owner",
        "focus",
        "participant",
        "careTeam",
        "category",
        "code",
        "period",
        "goal",
        "output",
        "hospitalization",
        "input",
        "performer",
        "recipient",
        "lifecycleStatus",
        "target",
        "outcomeReference",
        "meta",
        "businessStatus",
        "class",
        "achievementStatus",
    ]
    base = {"resourceType": kind, "id": "x", "subject": {"reference": "Patient/p"}, "for": {"reference": "Patient/p"}}
    for status in ("active", "completed", "finished"):
        stem = {**base, "status": status, "category": [concept("cm-careplan-category", "case-management")],
                "code": concept("cm-task-type", "arrange-service"), "careTeam": refers("CareTeam/team")}  # fmt: skip
        for name in names:
            made = {**stem, name: wrong}
            judged(None, made, plan(), team(), task())
            judged(plan("x") if kind == "CarePlan" else stem, made, made | {"id": "y"}, plan(), team())


def test_the_record_after_is_the_record_before_with_the_changes():
    first, second = task("a", basedOn=refers("CarePlan/plan")), task("b", basedOn=refers("CarePlan/plan"))
    after = After(MemoryWorld([first]), [Change(first, None), Change(None, second)])
    assert after.get("Task/a") is None
    assert after.get("Task/b") == second
    assert after.points("Task", "basedOn", "CarePlan/plan") == [second]
    assert after.of_patient("Patient/p", "Task") == [second]
