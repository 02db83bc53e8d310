"""Real-shaped resources whose every leaf is traceable, and random edits of them."""

import copy

from hypothesis import strategies as st

from fhirplan.fhir.codec import dumps, loads

BASE = "http://fhirplan.dev/fhir/StructureDefinition/"


def concept(code, system="http://s.example/c"):
    return {"coding": [{"system": system, "code": code}]}


def care_plan():
    return {
        "resourceType": "CarePlan",
        "id": "p1",
        "meta": {"versionId": "3", "lastUpdated": "2026-03-09T08:00:00Z", "tag": [{"system": "s", "code": "t1"}]},
        "extension": [
            {"url": BASE + "cm-acuity", "valueCode": "high"},
            {"url": BASE + "cm-barrier", "valueReference": {"reference": "Condition/b1"}},
        ],
        "identifier": [{"system": "http://ehr.example/CarePlan", "value": "77"}],
        "status": "active",
        "intent": "plan",
        "category": [concept("assess-plan"), concept("case-management")],
        "title": "Heart failure plan",
        "description": "Home after discharge",
        "subject": {"reference": "Patient/1"},
        "period": {"start": "2026-03-01", "end": "2026-06-01"},
        "careTeam": [{"reference": "CareTeam/1"}],
        "addresses": [{"reference": "Condition/1"}, {"reference": "Condition/2"}],
        "goal": [{"reference": "Goal/1"}, {"reference": "Goal/2"}, {"reference": "Goal/3"}],
        "activity": [
            {
                "reference": {"reference": "Task/1"},
                "progress": [{"time": "2026-03-02T09:00:00Z", "authorString": "Ann", "text": "Called once"}],
            },
            {
                "detail": {
                    "kind": "ServiceRequest",
                    "code": concept("weigh"),
                    "status": "in-progress",
                    "statusReason": concept("waiting"),
                    "doNotPerform": False,
                    "scheduledTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                    "performer": [{"reference": "Patient/1", "display": "Rosa"}],
                    "description": "Weigh each morning",
                }
            },
            {"detail": {"code": concept("visit"), "status": "scheduled", "scheduledString": "soon"}},
        ],
        "note": [
            {"time": "2026-03-01T09:00:00Z", "authorReference": {"reference": "Practitioner/1"}, "text": "First note"},
            {"time": "2026-03-03T09:00:00Z", "authorReference": {"reference": "Practitioner/2"}, "text": "Second"},
        ],
    }


def goal():
    return loads(
        dumps(
            {
                "resourceType": "Goal",
                "id": "g1",
                "lifecycleStatus": "active",
                "achievementStatus": concept("in-progress"),
                "description": {"text": "Walk further"},
                "subject": {"reference": "Patient/1"},
                "startDate": "2026-03-01",
                "_startDate": {"extension": [{"url": BASE + "x-precision", "valueCode": "day"}]},
                "target": [
                    {
                        "measure": concept("steps"),
                        "detailQuantity": {"value": 5000, "unit": "steps"},
                        "dueDate": "2026-04-01",
                    },
                    {
                        "measure": concept("weight"),
                        "detailRange": {"low": {"value": 70}, "high": {"value": 72}},
                        "dueDate": "2026-05-01",
                    },
                ],
                "statusDate": "2026-03-02",
                "expressedBy": {"reference": "Practitioner/1"},
                "addresses": [{"reference": "Condition/1"}],
                "note": [{"text": "Likes the park"}],
            }
        )
    )


def task():
    return {
        "resourceType": "Task",
        "id": "t1",
        "basedOn": [{"reference": "CarePlan/p1"}],
        "status": "requested",
        "statusReason": concept("reason"),
        "businessStatus": concept("awaiting-owner"),
        "intent": "order",
        "priority": "routine",
        "code": concept("call"),
        "description": "Call Rosa",
        "for": {"reference": "Patient/1"},
        "owner": {"reference": "Practitioner/1", "display": "Ann"},
        "restriction": {"period": {"start": "2026-03-09", "end": "2026-03-10"}},
        "note": [{"time": "2026-03-02T09:00:00Z", "text": "Prefers mornings"}],
        "input": [{"type": concept("phone"), "valueString": "555 0100"}],
        "output": [{"type": concept("outcome"), "valueCodeableConcept": concept("reached")}],
    }


def care_team():
    return {
        "resourceType": "CareTeam",
        "id": "c1",
        "status": "active",
        "name": "Rosa's team",
        "subject": {"reference": "Patient/1"},
        "participant": [
            {"role": [concept("lead")], "member": {"reference": "Practitioner/1"}, "period": {"start": "2026-03-01"}},
            {"role": [concept("nurse")], "member": {"reference": "Practitioner/2"}},
            {"role": [concept("family")], "member": {"reference": "RelatedPerson/1"}, "period": {"end": "2026-09-01"}},
        ],
        "telecom": [
            {"system": "phone", "value": "555 0101", "use": "work"},
            {"system": "email", "value": "team@example.org", "use": "work"},
        ],
        "note": [{"authorString": "Ann", "text": "Meets on Mondays"}],
    }


FIXED = {"resourceType", "id", "meta", "url", "system", "display", "versionId", "lastUpdated"}
MAKERS = (care_plan, goal, task, care_team)


def unique(resource):
    """The resource with each leaf made traceable: every value occurs once in it; urls, systems and displays stay."""
    counter = iter(range(10_000))

    def walk(value, key=""):
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(item, key) for item in value]
        if key in FIXED:
            return value
        return f"{value}~{next(counter)}"

    return walk(resource)


def leaves(value, key=""):
    """The traceable leaves: those that ``unique`` or an edit marked."""
    if isinstance(value, dict):
        return {leaf for k, v in value.items() for leaf in leaves(v, k)}
    if isinstance(value, list):
        return {leaf for item in value for leaf in leaves(item, key)}
    return {value} if isinstance(value, str) and "~" in value else set()


def containers(resource):
    """Every object and list in a resource, the resource first."""
    found = []

    def walk(value):
        if isinstance(value, dict | list):
            found.append(value)
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)

    walk(resource)
    return found


def items(resource):
    """Every item of every list in a resource."""
    return [item for place in containers(resource) if isinstance(place, list) for item in place]


def pruned(value):
    """Without empty objects and lists, which FHIR JSON does not have."""
    if isinstance(value, dict):
        made = {k: pruned(v) for k, v in value.items()}
        return {k: v for k, v in made.items() if v not in ({}, [])}
    if isinstance(value, list):
        return [item for item in map(pruned, value) if item not in ({}, [])]
    return value


@st.composite
def edits(draw, resource, mark, at_most=5, near=(), repeats=True):
    """A copy with up to ``at_most`` random edits: values changed, removed, items removed, copied in, moved.

    ``near`` are places, as fractions of the resource, where half of the edits happen. A copied extension has the same
    url unless ``repeats`` is false; all else that names an item is new in a copy.
    """
    made = copy.deepcopy(resource)
    for n in range(draw(st.integers(0, at_most))):
        places = containers(made)
        if near and draw(st.booleans()):
            place = places[int(draw(st.sampled_from(near)) * len(places))]
        else:
            place = places[draw(st.integers(0, len(places) - 1))]
        fresh = f"{mark}{n}~{draw(st.integers(0, 2))}"
        keys = [k for k in place if k not in FIXED] if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            continue
        key = draw(st.sampled_from(keys))
        act = draw(st.sampled_from(("change", "remove", "move", "copy")))
        if act == "change" and isinstance(place[key], str):
            place[key] = fresh
        elif act == "remove":
            del place[key]
        elif act == "move" and isinstance(place, list):
            item = place.pop(key)
            place.insert(draw(st.integers(0, len(place))), item)
        elif act == "copy" and isinstance(place, list):
            copied = _remarked(place[key], fresh)
            if not repeats and isinstance(copied, dict) and "url" in copied:
                copied["url"] += f"-{fresh}"
            place.insert(key, copied)
    return pruned(made)


def _remarked(value, fresh, _n=None):
    counter = _n or iter(range(1000))
    if isinstance(value, dict):
        return {k: _remarked(v, fresh, counter) for k, v in value.items()}
    if isinstance(value, list):
        return [_remarked(item, fresh, counter) for item in value]
    return f"{fresh}.{next(counter)}" if isinstance(value, str) and "~" in value else value


def unordered(value):
    """A form that does not depend on the order of lists or keys."""
    if isinstance(value, dict):
        return tuple(sorted((k, unordered(v)) for k, v in value.items()))
    if isinstance(value, list):
        return ("list", *sorted((unordered(item) for item in value), key=repr))
    return (type(value).__name__, str(value))


@st.composite
def random_values(draw, depth=3):
    """FHIR-like JSON with names that R4 knows and names it does not."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(("a~", "b~", "c~"))) + str(draw(st.integers(0, 9)))
    if draw(st.booleans()):
        return [draw(random_values(depth=0)) for _ in range(draw(st.integers(1, 3)))]
    names = st.sampled_from(("status", "code", "valueString", "valueCode", "strange", "period", "start", "text", "id"))
    return {draw(names): draw(random_values(depth=depth - 1)) for _ in range(draw(st.integers(1, 3)))}


@st.composite
def random_resources(draw):
    """A resource of random members."""
    names = st.sampled_from(("title", "activity", "note", "goal", "strange", "period", "extension", "category", "x"))
    members = {draw(names): draw(random_values()) for _ in range(draw(st.integers(0, 5)))}
    return {"resourceType": draw(st.sampled_from(("CarePlan",))), "id": "r", **members}
