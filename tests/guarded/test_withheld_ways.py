"""Ways by which somebody might learn of what a consent or a label withholds, each tried: none says that it is there."""

import pytest

from fhirplan import assembly
from fhirplan.projection.project import project_due
from tests.guarded.conftest import goal, plan, task
from tests.guarded.test_consent import ACT, NURSE, SUD, actor, consent

WORD = "Very Private Matter"
MARK = {"identifier": [{"system": "urn:word", "value": "secret"}]}
TASKS = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Task"}]}
CASE = [{"coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-careplan-category", "code": "case-management"}]}]


@pytest.fixture
def server(configured):
    """Patient a with a labelled goal and plan between visible ones, and a nurse."""
    made = configured(guarded_readers="client root")
    made.load(
        {"resourceType": "Patient", "id": "a", "name": [{"text": "Ann"}]},
        {"resourceType": "Practitioner", "id": "nurse"},
        goal("open", "a"),
        goal("hidden", "a", **SUD, **MARK, description={"text": WORD}),
        plan("hidden", "a", **SUD, **MARK, title=WORD, goal=[{"reference": "Goal/open"}]),
        task("open", "a", basedOn=[{"reference": "CarePlan/hidden"}]),
    )
    return made


@pytest.fixture
def nurse(server):
    return server.caller("user/*.cruds", **NURSE)


def same(caller, hidden, absent, method="GET", body=None, headers=None):
    """The answer about what is hidden, which is that about what is not there, but for the name."""
    one, other = (caller.send(method, path, body, headers) for path in (hidden, absent))
    assert one.status_code == other.status_code
    for name in ("ETag", "Last-Modified", "Location", "Content-Location"):
        assert one.headers.get(name) == other.headers.get(name)
    assert WORD not in one.get_data(as_text=True)
    return one


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"If-None-Match": 'W/"1"'}),
        ("GET", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        ("GET", {"Accept": "application/fhir+xml"}),
        ("GET", {"Accept": "text/html"}),
        ("DELETE", {"If-Match": 'W/"1"'}),
    ],
    ids=str,
)
def test_neither_conditions_nor_formats_of_a_read_tell(nurse, method, headers):
    same(nurse, "Goal/hidden", "Goal/nowhere", method, headers=headers)


@pytest.mark.parametrize("more", ["/_history/1", "/_history/2", "/$meta", "/$receipts", "/$validate?mode=delete"])
def test_nothing_below_its_address_tells(nurse, more):
    same(nurse, f"Goal/hidden{more}", f"Goal/nowhere{more}", "POST" if "validate" in more else "GET")


@pytest.mark.parametrize(
    "search",
    [
        "Goal?identifier=urn:word|secret",
        "Goal?_id=hidden&_summary=true",
        "Goal?_id=hidden&_elements=description",
        "Goal?_security=SUD",
        "Task?based-on:CarePlan.identifier=urn:word|secret",
        "Task?based-on:CarePlan.goal.lifecycle-status=active",
        "Task?based-on:CarePlan._has:Task:based-on:status=ready",
        "Patient?_has:CarePlan:subject:identifier=urn:word|secret",
        "Patient?_has:Goal:subject:_id=hidden",
        "Goal?_has:CarePlan:goal:identifier=urn:word|secret",
        "Patient?_has:CarePlan:subject:goal.lifecycle-status=active",
    ],
)
def test_no_search_finds_it_nor_by_way_of_it(nurse, server, search):
    search = f"{search}&_total=accurate"
    page, _, query = search.partition("?")
    for answer in (
        nurse.get(search),
        nurse.send("POST", f"{page}/_search", query, {"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert answer.get_json(force=True)["total"] == 0
    assert server.root.get(search).get_json(force=True)["total"] == 1


@pytest.mark.parametrize(
    "search",
    [
        "Task?_include=Task:based-on",
        "Task?_include=Task:based-on&_include:iterate=CarePlan:goal",
        "Task?_include=*",
        "Goal?_revinclude=CarePlan:goal",
        "Patient?_revinclude=Goal:subject&_revinclude=CarePlan:subject",
        "Patient?_revinclude:iterate=CarePlan:subject&_revinclude:iterate=Goal:subject",
    ],
)
def test_no_include_brings_it_along(nurse, search):
    answer = nurse.get(search)
    assert answer.status_code in (200, 400), answer.get_data(as_text=True)
    assert WORD not in answer.get_data(as_text=True)


def test_a_transaction_finds_nothing_by_condition(nurse):
    def sent(word):
        pointing = task("new", "a", focus={"reference": f"Goal?identifier=urn:word|{word}"})
        answer = nurse.bundle("transaction", {"resource": pointing, "request": {"method": "POST", "url": "Task"}})
        return answer.status_code, answer.get_data(as_text=True).replace(word, "X")

    assert sent("secret") == sent("nowhere")
    assert sent("secret")[0] >= 400

    def made(word):
        new = goal("x", "a", identifier=[{"system": "urn:word", "value": word}])
        request = {"method": "POST", "url": "Goal", "ifNoneExist": f"identifier=urn:word|{word}"}
        [entry] = nurse.bundle("transaction", {"resource": new, "request": request}).get_json(force=True)["entry"]
        return entry["response"]["status"][:3]

    assert made("secret") == made("nowhere") == "201"


def test_a_write_that_points_at_it_is_as_one_that_points_at_nothing(nurse):
    def sent(id_):
        answer = nurse.post(task("", "a", focus={"reference": f"Goal/{id_}"}) | {"id": "x"})
        issues = (answer.get_json(force=True) or {}).get("issue", [])
        return answer.status_code, [str(item).replace(id_, "X") for item in issues]

    assert sent("hidden") == sent("nowhere")


def test_its_provenance_is_not_there(nurse, server):
    for search in ("Provenance?target=Goal/hidden", "Provenance?target=CarePlan/hidden&_include=Provenance:target"):
        assert nurse.found(search) == []
        assert server.root.found(search)
    assert WORD not in nurse.get("Provenance?_count=200").get_data(as_text=True)
    assert "Goal/hidden" not in nurse.get("Provenance?_count=200").get_data(as_text=True)


def derived(server):
    """Has the Lists and Flags of all patients computed, as the worker does."""
    chosen = server.services.settings
    while project_due(assembly.build_projection(chosen, server.services, chosen.default_connection)):
        pass


@pytest.mark.parametrize(
    "provision",
    [
        TASKS,
        {"data": [{"meaning": "instance", "reference": {"reference": "Task/late"}}]},
        {"actor": actor("Practitioner/nurse"), **TASKS},
    ],
    ids=["of a type", "one of them", "to one reader"],
)
def test_what_is_derived_from_it_is_withheld_with_it(server, nurse, provision):
    server.load(
        plan("case", "a", category=CASE, title="Going home"),
        task(
            "late",
            "a",
            basedOn=[{"reference": "CarePlan/case"}],
            code={"text": WORD},
            priority="urgent",
            restriction={"period": {"end": "2020-01-01"}},
        ),
    )
    derived(server)
    [made] = nurse.found("List")
    assert "Task/late" in nurse.get(made).get_data(as_text=True)
    flags = nurse.found("Flag")
    assert flags
    server.load(consent("no", "a", type="deny", **provision))
    assert nurse.get("Task/late").status_code == 404
    for name in (made, *flags):
        assert nurse.get(name).status_code == 404, name
        assert nurse.get(f"{name}/_history/1").status_code == 404
    assert nurse.found("List") == nurse.found("Flag") == []
    assert not {"Task/late", made, *flags} & set(nurse.found("Patient/a/$everything"))
    assert WORD not in nurse.get("Patient/a/$everything").get_data(as_text=True)


def test_whoever_audits_sees_the_accesses_and_no_content(server):
    """A log with holes would hide who looked: it names what was looked at by type and id, and nothing that it says."""
    nurse = server.caller("user/*.rs user/AuditEvent.rs", **NURSE)
    server.root.get("Goal/hidden")
    server.services.accesses.keep()
    shown = nurse.get("AuditEvent?patient=a&_count=200").get_data(as_text=True)
    assert "Goal/hidden" in shown
    assert WORD not in shown
    assert nurse.get("Goal/hidden").status_code == 404


def test_an_emergency_for_one_patient_shows_nothing_of_another(server, nurse):
    server.load({"resourceType": "Patient", "id": "b"}, goal("theirs", "b", **SUD))
    say = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "Unconscious on arrival"}]}
    assert nurse.send("POST", "Patient/a/$break-glass", say).status_code == 200
    assert nurse.get("Goal/hidden").status_code == 200
    same(nurse, "Goal/theirs", "Goal/nowhere")


def test_a_label_cannot_be_taken_off_by_whoever_may_not_see_it(server, nurse):
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"security": [{"system": ACT, "code": "SUD"}]}}],
    }
    same(nurse, "Goal/hidden/$meta-delete", "Goal/nowhere/$meta-delete", "POST", parameters)
    same(nurse, "Goal/hidden", "Goal/nowhere", "PATCH", [], {"Content-Type": "application/json-patch+json"})
    assert server.root.get("Goal/hidden").get_json(force=True)["meta"]["security"]
