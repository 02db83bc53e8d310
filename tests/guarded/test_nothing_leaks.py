"""Random records, tokens and requests: what a caller gets through any route is what the reference evaluator says.

Each version of each resource carries a word of its own; no answer may hold the word of a version that its caller may
not see, however it got there.
"""

import json
import os
import random
import re
import sys

import pytest

from fhirplan.store import versions
from fhirplan.store.sync import conflicts, receipts
from fhirplan.store.sync.receipts import Receipt
from tests.guarded.reference_access import (
    OWNER,
    PARAMETER,
    STATUS,
    Person,
    World,
    asks,
    knows,
    may,
    owner,
    seen_versions,
)

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
TYPES = (
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Goal",
    "Task",
    "CarePlan",
    "CareTeam",
    "Consent",
)
STATES = {"Goal": ("active", "completed"), "Task": ("ready", "in-progress"), "CarePlan": ("active", "on-hold")}
PATIENTS = ("a", "b", "c")
WORD = re.compile(r"word-[A-Za-z]+-[a-z0-9]+-[0-9]+x")
BASE = "http://127.0.0.1:8080/fhir"
WORLDS = int(os.environ.get("FHIRPLAN_TEST_WORLDS", "40"))
SEED = int(os.environ.get("FHIRPLAN_TEST_SEED", "1000"))


class Making:
    """Makes random resources and sends them to the server, keeping what was sent."""

    def __init__(self, rng, server):
        self.rng, self.server, self.world = rng, server, World()

    def fill(self):
        for patient in PATIENTS:
            self.send({"resourceType": "Patient", "id": patient, "name": [{"text": "x"}]})
        for number in range(2):
            self.send({"resourceType": "Organization", "id": f"o{number}", "name": "x"})
        for number in range(4):
            self.send({"resourceType": "Practitioner", "id": f"n{number}", "name": [{"text": "x"}]})
        for number in range(2):
            self.send(
                {
                    "resourceType": "PractitionerRole",
                    "id": f"r{number}",
                    "practitioner": {"reference": f"Practitioner/n{number}"},
                    "organization": {"reference": f"Organization/o{number}"},
                    "code": [{"text": "x"}],
                }
            )
        for number in range(18):
            self.one(self.rng.choice(("Goal", "Task", "Task", "CarePlan", "CareTeam")), f"i{number}")
        for name in list(self.world.versions):
            kind, _, id_ = name.partition("/")
            if kind in STATES and self.rng.random() < 0.4:
                self.one(kind, id_)
            if kind in STATES and self.rng.random() < 0.15:
                assert self.server.root.delete(name).status_code == 204
                self.world.versions[name].append(None)
        # Last, since what they forbid to everybody is forbidden to whoever fills the server too.
        for number in range(self.rng.randint(0, 3)):
            self.consent(f"k{number}")
        return self.world

    def one(self, kind, id_):
        patient = {"reference": f"Patient/{self.rng.choice(PATIENTS)}"}
        made = {"resourceType": kind, "id": id_, OWNER[kind]: patient}
        people = [f"Practitioner/n{self.rng.randrange(4)}", f"PractitionerRole/r{self.rng.randrange(2)}"]
        if kind in STATES:
            made[STATUS.get(kind, "status")] = self.rng.choice(STATES[kind])
        if kind == "Goal":
            made["description"] = {"text": "x"}
        if kind == "Task":
            made |= {"intent": "order", "description": "x"}
            made["owner"] = {"reference": self.rng.choice(people)}
            if self.rng.random() < 0.5:
                made["requester"] = {"reference": f"Practitioner/n{self.rng.randrange(4)}"}
            made["basedOn"] = [{"reference": f"CarePlan/i{self.rng.randrange(18)}"}]
        if kind == "CarePlan":
            made |= {"intent": "plan", "title": "x"}
            made["goal"] = [{"reference": f"Goal/i{self.rng.randrange(18)}"} for _ in range(2)]
        if kind == "CareTeam":
            made |= {"status": "active", "name": "x"}
            made["participant"] = [{"member": {"reference": self.rng.choice(people)}}]
        if self.rng.random() < 0.2:
            made["meta"] = {"security": [{"system": ACT, "code": "SUD"}]}
        self.send(made)

    def consent(self, id_):
        provision = {"type": self.rng.choice(("permit", "deny"))}
        if provision["type"] == "permit" or self.rng.random() < 0.7:
            name = self.rng.choice(("Practitioner/n0", "Organization/o0", "Organization/o1", "Patient/b"))
            provision["actor"] = [{"role": {"text": "r"}, "reference": {"reference": name}}]
        if provision["type"] == "deny" and self.rng.random() < 0.7:
            kind = self.rng.choice(("Goal", "Task", "CarePlan"))
            provision["class"] = [{"system": "http://hl7.org/fhir/resource-types", "code": kind}]
        self.send(
            {
                "resourceType": "Consent",
                "id": id_,
                "status": "active",
                "scope": {"coding": [{"code": "patient-privacy"}]},
                "category": [{"text": "x"}],
                "patient": {"reference": f"Patient/{self.rng.choice(PATIENTS)}"},
                "policyRule": {"text": "x"},
                "provision": provision,
            }
        )

    def send(self, resource):
        name = f"{resource['resourceType']}/{resource['id']}"
        listed = self.world.versions.setdefault(name, [])
        resource["identifier"] = [{"system": "urn:word", "value": word(name, len(listed) + 1)}]
        answer = self.server.root.put(resource)
        assert answer.status_code in (200, 201), answer.get_data(as_text=True)
        listed.append(resource)


def word(name, number):
    return f"word-{name.replace('/', '-')}-{number}x"


def somebody(rng):
    """A random token, and how the evaluator knows it."""
    kind = rng.choice(("patient", "patient", "patient", "user", "user", "own", "system", "mixed"))
    levels = {"own": ["user"], "mixed": ["patient", "user"]}.get(kind, [kind])
    scopes, texts = [], []
    for _ in range(rng.randint(1, 4)):
        level, type_ = rng.choice(levels), rng.choice(("*", "*", *TYPES))
        letters = rng.choice(("rs", "rs", "r", "s", "cruds"))
        status = rng.choice(STATES[type_]) if type_ in STATES and rng.random() < 0.4 else ""
        scopes.append((level, type_, letters, status))
        query = f"?{PARAMETER.get(type_, 'status')}={status}" if status else ""
        texts.append(f"{level}/{type_}.{letters}{query}")
    user = {
        "own": rng.choice(("Patient/a", "Patient/b")),
        "user": rng.choice(("Practitioner/n0", "Practitioner/n1", "")),
    }
    who = user.get(kind, rng.choice(("Practitioner/n0", "Practitioner/n3", "Patient/a", "")))
    patient = rng.choice(PATIENTS) if kind in ("patient", "mixed") and rng.random() < 0.9 else ""
    return Person(scopes, who if kind != "system" else "", patient, rng.choice(("app", "other")), " ".join(texts))


class Asking:
    """Sends requests for one person and compares each answer with what the evaluator says."""

    def __init__(self, server, world, person, tally):
        self.world, self.person, self.tally = world, person, tally
        claims = {"client_id": person.client, "fhirUser": person.user or None, "patient": person.patient or None}
        self.caller = server.caller(person.text, **claims)

    def send(self, route, path, allowed, *, method="GET", body=None, headers=None):
        """The answer, in which no word of what is not ``allowed`` (name, version) may stand."""
        answer = self.caller.send(method, path, body, headers)
        self.tally["cases"] += 1
        self.tally["routes"].add(route)
        assert answer.status_code < 500, answer.get_data(as_text=True)
        fine = {word(name, number) for name, number in allowed}
        sent = set(WORD.findall(path)) | set(WORD.findall(str(headers))) | set(WORD.findall(str(body)))
        leaked = set(WORD.findall(answer.get_data(as_text=True))) - fine - sent
        self.tally["leaks"] += len(leaked)
        assert not leaked, (route, path, self.person, leaked)
        return answer

    def current(self, letter, wanted=lambda resource: True):
        """The (name, version) of what the person may see by a letter."""
        return {
            (name, len(self.world.versions[name])): item
            for name, item in self.world.live().items()
            if wanted(item) and may(self.world, self.person, letter, item)
        }

    def bundle(self, route, path, letter, wanted, beside=()):
        """A search: exactly what may be seen of what is wanted, with what is ``beside``; and its count."""
        expected = self.current(letter, wanted)
        added = {item for item in beside if item not in expected}
        names, counted, page = [], None, path
        while page:
            answer = self.send(route, page, {*expected, *added})
            if answer.status_code == 403:
                return None
            assert answer.status_code == 200, answer.get_data(as_text=True)
            found = answer.get_json(force=True)
            counted = found.get("total", counted)
            names += [
                (entry["fullUrl"].removeprefix(f"{BASE}/"), entry["search"]["mode"])
                for entry in found.get("entry", [])
                if "/write." not in entry["fullUrl"]
            ]
            following = [link["url"] for link in found["link"] if link["relation"] == "next"]
            page = following[0].removeprefix(f"{BASE}/") if following else ""
        matched = sorted(name for name, mode in names if mode == "match")
        if "summary=count" not in path:
            assert matched == sorted(name for name, _ in expected), (path, self.person)
            included = {name for name, mode in names if mode == "include"}
            assert included == {name for name, _ in added}, (path, self.person)
        if "total" in path or "summary=count" in path:
            assert counted == len(expected), (path, self.person)
        return matched


def refers(resource, element):
    value = resource.get(element, [])
    return {item["reference"] for item in (value if isinstance(value, list) else [value]) if item}


def single(asking, rng):
    """Reads of one resource: by its address, a version, its history, operations; hidden is as absent."""
    world, person = asking.world, asking.person
    name = rng.choice(sorted(world.versions))
    kind, _, id_ = name.partition("/")
    seen = seen_versions(world, person, "r", name)
    now = len(world.versions[name])
    known = knows(world, person, "r", name)
    for route, path in (("read", name), ("meta", f"{name}/$meta"), ("history", f"{name}/_history")):
        shown = {(name, number) for number in seen} if route == "history" else {(name, now)} & {(name, n) for n in seen}
        answer = asking.send(route, path, shown)
        if not asks(person, "r", kind):
            assert answer.status_code == 403
        elif not known:
            assert answer.status_code == 404, (path, person)
            absent = asking.send(route, path.replace(name, f"{kind}/zz9"), ())
            hidden_text = answer.get_data(as_text=True).replace(f"/{id_}", "/X")
            assert hidden_text == absent.get_data(as_text=True).replace("/zz9", "/X")
            assert answer.status_code == absent.status_code
        elif world.now(name) is None and route != "history":
            assert answer.status_code == 410
        else:
            assert answer.status_code == 200, (path, person)
    for number in range(1, now + 2):
        answer = asking.send("vread", f"{name}/_history/{number}", {(name, n) for n in seen if n == number})
        gone = number <= now and world.versions[name][number - 1] is None
        expected = 403 if not asks(person, "r", kind) else 404 if number not in seen else 410 if gone else 200
        assert answer.status_code == expected, (name, number, person)
    validating = asking.send("validate", f"{name}/$validate?mode=delete", (), method="POST")
    if validating.status_code == 200 and world.now(name) is not None:
        assert ("can be deleted" in validating.get_data(as_text=True)) == known


def searching(asking, rng):
    world = asking.world
    kind = rng.choice(TYPES)
    more = rng.choice(
        ("", "_count=1", "_total=accurate", "_summary=count", "_sort=-_lastUpdated&_count=2", "_total=estimate")
    )
    asking.bundle("search", f"{kind}?{more}", "s", lambda item: item["resourceType"] == kind)
    name = rng.choice(sorted(world.versions))
    listed = f"{name.partition('/')[2]},i1,i2"
    asking.bundle(
        "search by id",
        f"{kind}?_id={listed}&_total=accurate",
        "s",
        lambda item: item["resourceType"] == kind and item["id"] in listed.split(","),
    )
    patient = rng.choice(PATIENTS)
    owned = rng.choice(sorted(OWNER))
    of = lambda item: item["resourceType"] == owned and owner(item) == patient  # noqa: E731
    asking.bundle("search by patient", f"{owned}?patient={patient}&_total=accurate", "s", of)
    asking.bundle("compartment", f"Patient/{patient}/{owned}?_total=accurate", "s", of)
    marked = word(name, len(world.versions[name]))
    asking.bundle(
        "search by word",
        f"{name.partition('/')[0]}?identifier=urn:word|{marked}&_total=accurate",
        "s",
        lambda item: item["identifier"][0]["value"] == marked,
    )


def leading(asking, rng):
    """Chains, reverse chains and includes."""
    world, person = asking.world, asking.person
    status = rng.choice(STATES["Goal"])

    def to_goal(item):
        ends = [world.now(name) for name in refers(item, "goal")]
        return item["resourceType"] == "CarePlan" and any(
            end is not None and end["lifecycleStatus"] == status and may(world, person, "s", end) for end in ends
        )

    asking.bundle("chain", f"CarePlan?goal.lifecycle-status={status}&_total=accurate", "s", to_goal)
    state = rng.choice(STATES["Task"])
    busy = {
        name
        for item in asking.current(
            "s", lambda item: item["resourceType"] == "Task" and item["status"] == state
        ).values()
        for name in refers(item, "owner")
    }
    asking.bundle(
        "has",
        f"Practitioner?_has:Task:owner:status={state}&_total=accurate",
        "s",
        lambda item: item["resourceType"] == "Practitioner" and f"Practitioner/{item['id']}" in busy,
    )
    plans = asking.current("s", lambda item: item["resourceType"] == "CarePlan")
    wanted = {name for item in plans.values() for name in refers(item, "goal")}
    goals = asking.current("s", lambda item: f"{item['resourceType']}/{item['id']}" in wanted)
    asking.bundle(
        "include", "CarePlan?_include=CarePlan:goal", "s", lambda item: item["resourceType"] == "CarePlan", goals
    )
    people = {
        f"Practitioner/{item['id']}"
        for item in asking.current("s", lambda i: i["resourceType"] == "Practitioner").values()
    }
    tasks = asking.current("s", lambda i: i["resourceType"] == "Task" and bool(refers(i, "owner") & people))
    asking.bundle(
        "revinclude",
        "Practitioner?_revinclude=Task:owner&_count=100",
        "s",
        lambda item: item["resourceType"] == "Practitioner",
        tasks,
    )


def gathering(asking, rng):
    """Histories of types and of all, $everything, $as-of, batches, transactions, conditions, Provenance."""
    world, person = asking.world, asking.person
    may_see = {(name, number) for name in world.versions for number in seen_versions(world, person, "s", name)}
    kind = rng.choice(TYPES)
    for route, path, types in (
        ("history of type", f"{kind}/_history?_count=3", (kind,)),
        ("history of all", "_history?_count=50", TYPES),
    ):
        found, page = set(), path
        while page:
            answer = asking.send(route, page, {item for item in may_see if item[0].partition("/")[0] in types})
            if answer.status_code == 403:
                break
            assert answer.status_code == 200, answer.get_data(as_text=True)
            bundle = answer.get_json(force=True)
            for entry in bundle.get("entry", []):
                name = entry["fullUrl"].removeprefix(f"{BASE}/")
                found.add((name, int(entry["response"]["etag"].strip('W/"'))))
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            page = following[0].removeprefix(f"{BASE}/") if following else ""
        if answer.status_code == 200:
            assert found == {item for item in may_see if item[0].partition("/")[0] in types}, (path, person)
    readable = {*asking.current("r"), *asking.current("s")}
    patient = rng.choice(PATIENTS)
    everything = asking.send("everything", f"Patient/{patient}/$everything?_count=500", readable)
    if asks(person, "r", "Patient"):
        assert (everything.status_code == 200) == knows(world, person, "r", f"Patient/{patient}")
    plan = f"CarePlan/i{rng.randrange(18)}"
    asking.send("plan everything", f"{plan}/$everything", readable)
    old = readable | {
        (n, v) for n in world.versions for letter in "rs" for v in seen_versions(world, person, letter, n)
    }
    asking.send("as of", f"{plan}/$as-of?instant=2999-01-01", old)
    names = rng.sample(sorted(world.versions), 3)
    entries = [{"request": {"method": "GET", "url": name}} for name in names]
    for kind_ in ("batch", "transaction"):
        body = {"resourceType": "Bundle", "type": kind_, "entry": entries}
        asking.send(kind_, "", readable, method="POST", body=body)
    name = rng.choice(sorted(world.versions))
    asking.send("provenance", f"Provenance?target={name}&_include=Provenance:target", may_see | readable)
    asking.send("audit", "AuditEvent", ())
    asking.send("explain", f"{name.partition('/')[0]}/$explain?resource={name}", readable)
    asking.send("system search", "?_type=Goal,Task&_count=100", set(asking.current("s")))


def operating(asking, rng):
    """Receipts, conflicts and $apply: what is hidden is answered as what is absent, and nothing comes out of it."""
    world, person = asking.world, asking.person
    name = rng.choice(sorted(world.versions))
    kind, _, id_ = name.partition("/")
    told = {(name, number) for number in seen_versions(world, person, "r", name)}
    answer = asking.send("receipts", f"{name}/$receipts", told)
    if asks(person, "r", kind) and knows(world, person, "r", name):
        assert answer.status_code == 200
        shown = {item["version"] for item in answer.get_json(force=True)["receipts"]}
        assert shown == {number for _, number in told}, (name, person)
    else:
        absent = asking.send("receipts", f"{kind}/zz9/$receipts", ())
        assert answer.status_code == absent.status_code
        hidden_text = answer.get_data(as_text=True).replace(f"/{id_} ", "/X ")
        assert hidden_text == absent.get_data(as_text=True).replace("/zz9 ", "/X ")
    unlimited = {
        item
        for item in asking.current("r")
        if any(level != "patient" and not status for level, _, _, status in person.scopes)
    }
    conflicting = asking.send("conflicts", "$conflicts", unlimited)
    assert conflicting.status_code == 200
    asking.send("conflict", f"$conflicts/{rng.randrange(4)}", unlimited)
    readable = {*asking.current("r"), *asking.current("s")}
    patient = rng.choice(PATIENTS)
    for element, other in (("plan", f"CarePlan/i{rng.randrange(18)}"), ("careTeam", f"CareTeam/i{rng.randrange(18)}")):
        given = {"subject": f"Patient/{patient}", "practitioner": "Practitioner/n0", "dryRun": "true"}
        answers = []
        for ref in (other, f"{other.partition('/')[0]}/zz9"):
            listed = [{"name": one, "valueString": text} for one, text in {**given, element: ref}.items()]
            body = {"resourceType": "Parameters", "parameter": listed}
            path = "PlanDefinition/cm-heart-failure-discharge/$apply"
            answer = asking.send("apply", path, readable, method="POST", body=body)
            answers.append((answer.status_code, answer.get_data(as_text=True).replace(ref, "X")))
        if not knows(world, person, "r", other):
            assert answers[0] == answers[1], (other, person)


def writing(asking, rng):
    """Writes that are bound to be refused, or find nothing: none tells anything of what is hidden, or changes it."""
    world, person = asking.world, asking.person
    hidden = [name for name in sorted(world.live()) if not any(knows(world, person, letter, name) for letter in "rsud")]
    hidden = [name for name in hidden if name.partition("/")[0] in ("Goal", "Task")]
    if not hidden or any(level == "system" for level, *_ in person.scopes):
        return
    name = rng.choice(hidden)
    kind = name.partition("/")[0]
    marked = word(name, len(world.versions[name]))
    operations = [{"op": "test", "path": "/id", "value": "x"}]
    for route, method, path, body, headers in (
        ("patch", "PATCH", name, operations, {"Content-Type": "application/json-patch+json"}),
        ("update", "PUT", name, {**world.now(name), "identifier": []}, {"If-Match": 'W/"99"'}),
        (
            "conditional patch",
            "PATCH",
            f"{kind}?identifier=urn:word|{marked}",
            operations,
            {"Content-Type": "application/json-patch+json"},
        ),
        ("conditional delete", "DELETE", f"{kind}?identifier=urn:word|{marked}", None, None),
        ("delete", "DELETE", name, None, None),
    ):
        answer = asking.send(route, path, (), method=method, body=body, headers=headers)
        assert answer.status_code in (204, 400, 403, 404, 412, 422), (route, answer.get_data(as_text=True))
        assert "current version" not in answer.get_data(as_text=True)


def remember(server, world):
    """A receipt of each version and some conflicts, all of which quote what they are about."""
    with server.services.database.write() as tx:
        for name, listed in world.versions.items():
            type_, _, id_ = name.partition("/")
            for number in range(1, len(listed) + 1):
                said = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": word(name, number)}]}
                receipt = Receipt(None, type_, id_, number, "update", "parked", "e", "1", json.dumps(said), 0)
                receipts.put(tx, "default", receipt)
        for name, resource in list(world.live().items())[::7]:
            type_, _, id_ = name.partition("/")
            copies = {"base": None, "local": resource, "remote": resource, "ehr_version": "2"}
            conflicts.record(tx, "default", type_, id_, **copies, paths=("x",), now=0)


def run(server_of, seed, tokens, requests, tally):
    rng = random.Random(seed)
    server = server_of(guarded_readers="client root", ehr_url="http://127.0.0.1:1/fhir")
    world = Making(rng, server).fill()
    remember(server, world)
    for _ in range(tokens):
        asking = Asking(server, world, somebody(rng), tally)
        for _ in range(requests):
            for ask in (single, searching, leading, gathering, operating, writing):
                ask(asking, rng)
    with server.services.database.read() as tx:
        for name, listed in world.versions.items():
            stored = versions.current(tx, "default", *name.split("/"))
            assert (stored.version, stored.deleted) == (len(listed), listed[-1] is None), f"{name} was changed"
    server.end()
    tally["worlds"] += 1


def tell(capsys, tally):
    with capsys.disabled():
        sys.stdout.write(
            f" worlds: {tally['worlds']}, cases: {tally['cases']}, routes: {len(tally['routes'])}, "
            f"leaks: {tally['leaks']} "
        )


@pytest.mark.parametrize("seed", range(3))
def test_no_route_shows_what_its_caller_may_not_see(configured, seed, capsys):
    tally = {"cases": 0, "routes": set(), "leaks": 0, "worlds": 0}
    run(configured, seed, 12, 2, tally)
    tell(capsys, tally)
    assert tally["leaks"] == 0
    assert len(tally["routes"]) >= 25


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_route_shows_it_in_many_worlds(configured, capsys):
    tally = {"cases": 0, "routes": set(), "leaks": 0, "worlds": 0}
    for seed in range(SEED, SEED + WORLDS):
        run(configured, seed, 25, 3, tally)
    tell(capsys, tally)
    assert tally["worlds"] == WORLDS > 0
    assert tally["leaks"] == 0
