"""The database finds what the evaluator in memory says, page by page, on both databases."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.fhir.codec import loads
from fhirplan.search import match
from fhirplan.search.context import Limits
from fhirplan.search.query import parse
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.search.searching import search

BASE = "http://here/fhir"
ORIGIN = Origin("a", "b", "api", push=False)
few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def maybe(strategy):
    return st.none() | strategy


def elements(**strategies):
    """A dict of those that are there."""
    return st.fixed_dictionaries({name: maybe(item) for name, item in strategies.items()}).map(
        lambda made: {name: item for name, item in made.items() if item is not None}
    )


SYSTEMS = st.sampled_from(["http://s/1", "http://s/2"])
CODES = st.sampled_from(["a", "b", "a,b", "a|b", "requested"])
DATES = st.sampled_from(
    ["2026", "2026-03", "2026-03-02", "2026-03-02T10:00:00Z", "2026-03-02T23:30:00-05:00", "2025-12-31"]
)
REFERENCES = st.sampled_from(
    ["Patient/p1", "Patient/p2", "Group/p1", f"{BASE}/Patient/p1", "http://elsewhere/fhir/Patient/p1", "Practitioner/n"]
)
# Resources are r0, r1 and so on, so that these often lead somewhere.
PEOPLE = st.sampled_from([f"Patient/r{n}" for n in range(4)])
TASKS = st.sampled_from([f"Task/r{n}" for n in range(6)])
TEXTS = st.sampled_from(["Walk", "Walk to the corner", "WÀLK", "corner shop", "50%_off"])
coding = elements(system=SYSTEMS, code=CODES, display=TEXTS)
concept = elements(coding=st.lists(coding, max_size=3), text=TEXTS)
identifier = elements(
    system=SYSTEMS,
    value=CODES,
    type=st.fixed_dictionaries({"coding": st.lists(elements(system=SYSTEMS, code=CODES), max_size=2)}),
)
reference = elements(
    reference=REFERENCES | PEOPLE, type=st.sampled_from(["Patient", "Group"]), identifier=elements(value=CODES)
)
period = elements(start=DATES, end=DATES)
NUMBERS = st.sampled_from(["1", "1.5", "1.49", "-2", "100", "1e2"])
quantity = elements(
    value=NUMBERS.map(loads),
    system=st.just("http://unitsofmeasure.org"),
    code=st.sampled_from(["kg", "g"]),
    unit=st.sampled_from(["kg", "kilo"]),
    comparator=st.sampled_from(["<", ">="]),
)
meta = elements(profile=st.lists(SYSTEMS, max_size=2), tag=st.lists(coding, max_size=2))
RESOURCES = st.one_of(
    elements(
        status=st.sampled_from(["requested", "accepted"]),
        code=concept,
        identifier=st.lists(identifier, max_size=2),
        owner=reference,
        priority=st.sampled_from(["routine", "urgent"]),
        authoredOn=DATES,
        executionPeriod=period,
        meta=meta,
        basedOn=st.lists(reference, max_size=2),
        partOf=st.lists(elements(reference=TASKS), max_size=2),
        text=st.fixed_dictionaries(
            {"div": TEXTS.map("<div xmlns='http://www.w3.org/1999/xhtml'>{} &amp; on</div>".format)}
        ),
        description=TEXTS,
        **{"for": reference},
    ).map(lambda it: {"resourceType": "Task", **it}),
    st.lists(elements(item=elements(reference=TASKS | PEOPLE)), max_size=3).map(
        lambda entries: {"resourceType": "List", "entry": entries}
    ),
    elements(
        status=st.sampled_from(["final"]),
        code=concept,
        subject=reference,
        effectiveDateTime=DATES,
        valueQuantity=quantity,
    ).map(lambda it: {"resourceType": "Observation", **it}),
    elements(
        name=st.lists(
            elements(
                family=st.sampled_from(["Müller", "muller", "Mu", "Quist", "50%_off"]),
                given=st.lists(st.sampled_from(["Ana", "ÁNA B"])),
            ),
            max_size=2,
        ),
        birthDate=DATES,
        active=st.booleans(),
        deceasedBoolean=st.booleans(),
    ).map(lambda it: {"resourceType": "Patient", **it}),
    elements(subject=reference, prediction=st.lists(elements(probabilityDecimal=NUMBERS.map(loads)), max_size=2)).map(
        lambda it: {"resourceType": "RiskAssessment", **it}
    ),
)

ESCAPED = CODES.map(lambda code: code.replace(",", "\\,").replace("|", "\\|"))
TOKENS = st.one_of(
    ESCAPED, st.tuples(SYSTEMS, ESCAPED).map("|".join), ESCAPED.map("|{}".format), SYSTEMS.map("{}|".format)
)
REFERENCE_VALUES = st.sampled_from(
    ["p1", "Patient/p1", "Patient/p2", f"{BASE}/Patient/p1", "http://elsewhere/fhir/Patient/p1", "http://nowhere/x"]
)
PREFIXES = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
DATE_VALUES = st.tuples(PREFIXES, DATES).map("".join)
NUMBER_VALUES = st.tuples(PREFIXES, NUMBERS).map("".join)


def several(values):
    return st.lists(values, min_size=1, max_size=3).map(",".join)


def parameter(names, values):
    return st.tuples(st.sampled_from(names), several(values))


COMMON = [
    parameter(["_id"], st.sampled_from(["r0", "r1", "r2", "r9"])),
    parameter(
        ["_lastUpdated"],
        st.tuples(
            PREFIXES,
            st.sampled_from(["1970-01-01T00:00:00.003Z", "1970", "1970-01-01T00:00:00Z"]),
        ).map("".join),
    ),
    parameter(["_tag"], TOKENS),
    parameter(["_profile"], SYSTEMS),
    parameter(["_profile:below", "_profile:above"], st.sampled_from(["http://s", "http://s/1", "http://s/1/2"])),
    parameter(["_tag:not"], TOKENS),
    parameter(["_id:not"], st.sampled_from(["r0", "r1", "r9"])),
    st.tuples(st.sampled_from(["_list", "_has:List:item:_id"]), st.sampled_from(["r0", "r1,r2", "r9"])),
    st.tuples(
        st.sampled_from(["_filter"]),
        st.sampled_from(
            [
                "_id eq r1 or not (_id eq r2)",
                "_tag eq a and (_tag ne b)",
                "not (_tag pr true) or _profile eq http://s/1",
                "_lastUpdated gt 1970 or _tag pr true",
            ]
        ),
    ),
    st.tuples(st.sampled_from(["_content", "_text"]), st.sampled_from(["walk", "corner walk", "shop,on", "nothing"])),
]
MISSING = st.sampled_from(["true", "false"])
TEXT_BEGINS = st.sampled_from(["walk", "walk to", "corner", "50%", "_"])
ASKED = {
    "Task": [
        parameter(["status", "code", "identifier"], TOKENS),
        parameter(["patient", "patient:Patient", "subject"], st.sampled_from(["p1", "p2"])),
        parameter(["patient", "subject", "based-on"], REFERENCE_VALUES),
        parameter(["owner"], st.sampled_from(["n", "Practitioner/n", "Patient/p1"])),
        parameter(["authored-on", "period"], DATE_VALUES),
        parameter(["status:not", "code:not", "identifier:not"], TOKENS),
        st.tuples(
            st.sampled_from(["code:missing", "owner:missing", "identifier:missing", "authored-on:missing"]), MISSING
        ),
        parameter(["code:text"], TEXT_BEGINS),
        parameter(["owner:identifier", "based-on:identifier"], ESCAPED),
        parameter(["identifier:of-type"], st.tuples(SYSTEMS, ESCAPED, ESCAPED).map("|".join)),
        parameter(["code:in", "code:not-in"], st.just("http://value-set")),
        parameter(["code:below", "code:above"], st.tuples(SYSTEMS, st.sampled_from("ab")).map("|".join)),
        parameter(["patient.name", "subject:Patient.name", "owner.name", "patient.family:exact"], st.just("mu")),
        st.tuples(st.sampled_from(["patient.birthdate", "part-of.authored-on"]), DATE_VALUES),
        st.tuples(st.sampled_from(["part-of.patient.active", "patient.active:not"]), st.just("true")),
        st.tuples(st.sampled_from(["part-of.owner:missing", "patient.name:missing"]), MISSING),
        parameter(["part-of.status", "part-of.part-of.status", "_has:Task:part-of:status"], st.just("requested")),
        st.tuples(st.sampled_from(["_has:Task:part-of:_has:Task:part-of:status"]), st.just("requested")),
        st.tuples(st.sampled_from(["patient._has:Observation:patient:code"]), st.just("a")),
        st.tuples(
            st.just("_filter"),
            st.sampled_from(
                [
                    "status eq requested and code pr true",
                    "patient.name co ulle or part-of.status ne requested",
                    "not (authored-on ge 2026 or owner.active eq true)",
                    "not (not (status eq http://hl7.org/fhir/task-status|accepted))",
                ]
            ),
        ),
    ],
    "Observation": [
        parameter(["code", "combo-code"], TOKENS),
        parameter(["subject"], REFERENCE_VALUES),
        parameter(["date"], DATE_VALUES),
        parameter(
            ["value-quantity"],
            st.one_of(
                NUMBER_VALUES,
                NUMBER_VALUES.map("{}||kg".format),
                NUMBER_VALUES.map("{}|http://unitsofmeasure.org|kg".format),
                NUMBER_VALUES.map("{}|http://unitsofmeasure.org|".format),
            ),
        ),
    ],
    "Patient": [
        parameter(["name", "family", "given"], st.sampled_from(["mu", "MÜLLER", "ana", "ana b", "x"])),
        parameter(["birthdate"], DATE_VALUES),
        parameter(["active", "deceased"], st.sampled_from(["true", "false"])),
        parameter(["name:exact", "given:exact"], st.sampled_from(["Müller", "muller", "ÁNA B", "50%_off"])),
        parameter(["name:contains", "family:contains"], st.sampled_from(["u", "ÜLL", "na b", "%", "_"])),
        st.tuples(st.sampled_from(["name:missing", "birthdate:missing", "active:missing"]), MISSING),
        st.tuples(
            st.sampled_from(["_has:Task:patient:status", "_has:Task:owner:status", "_has:Task:patient:code:not"]),
            st.sampled_from(["requested", "accepted", "a"]),
        ),
        st.tuples(
            st.just("_filter"),
            st.sampled_from(
                [
                    "name sw mu and not (given ew b)",
                    'name eq "ana b"',
                    "family ne quist",
                    "birthdate lt 2026-03-02T11:00",
                ]
            ),
        ),
    ],
    "RiskAssessment": [parameter(["probability"], NUMBER_VALUES), parameter(["subject"], REFERENCE_VALUES)],
}
SORTS = {
    "Task": [
        "status",
        "-code",
        "authored-on",
        "-authored-on",
        "-patient",
        "status,-authored-on",
        "period",
        "-period",
        "code,period",
        "-priority,code,_id",
    ],
    "Observation": ["value-quantity", "-date", "subject,-code", "-_profile"],
    "Patient": ["name", "-family", "birthdate,-name", "-active,_lastUpdated", "-_id"],
    "RiskAssessment": ["probability", "-probability", "-subject,probability"],
}
INCLUDES = {
    "Task": [
        ("_include", "Task:patient"),
        ("_include", "Task:subject:Patient"),
        ("_include", "*"),
        ("_include:iterate", "Task:part-of"),
        ("_revinclude", "Task:part-of"),
        ("_revinclude:iterate", "Task:part-of"),
        ("_revinclude", "List:item"),
    ],
    "Observation": [("_include", "Observation:subject"), ("_revinclude:iterate", "Task:patient")],
    "Patient": [("_revinclude", "Task:patient"), ("_revinclude", "*"), ("_revinclude", "Observation:*")],
    "RiskAssessment": [("_include", "*"), ("_include:iterate", "*")],
}


def results(type):
    sorts = st.sampled_from(["_lastUpdated", "-_lastUpdated", *SORTS[type]])
    return elements(_sort=sorts, _count=st.sampled_from(["1", "2", "50"]))


QUERIES = st.sampled_from(sorted(ASKED)).flatmap(
    lambda type: st.tuples(
        st.just(type),
        st.lists(st.one_of(*ASKED[type], *COMMON), max_size=3),
        results(type),
        st.lists(st.sampled_from(INCLUDES[type]), max_size=2, unique=True),
    )
)


class Codes:
    """Terminology with one value set and one hierarchy: a above b."""

    def expansion(self, valueset):
        return frozenset({("http://s/1", "a"), ("http://s/2", "b")})

    def below(self, system, code):
        return frozenset("b") if code == "a" else frozenset()

    def above(self, system, code):
        return frozenset("a") if code == "b" else frozenset()


class Undo(Exception):
    pass


@pytest.mark.parametrize("few_ends", [0, 100])
@few
@given(st.lists(RESOURCES, max_size=8), st.lists(QUERIES, min_size=1, max_size=8))
def test_pages_of_the_database_make_what_the_evaluator_says(database, few_ends, resources, queries):
    stored = []
    try:
        with pytest.MonkeyPatch.context() as patch, database.write() as tx:
            # With none, references are followed from each candidate; else what is at their end is looked up first.
            patch.setattr("fhirplan.store.search.plan.FEW_ENDS", few_ends)
            for number, resource in enumerate(resources):
                changes = [Change("create", resource["resourceType"], f"r{number}", resource)]
                stored += commit(tx, "default", changes, now=number, origin=ORIGIN, base=BASE)
            world = match.World([item.resource() for item in stored], CATALOG, BASE)
            for type, pairs, results, includes in queries:
                agrees(tx, type, [*pairs, *results.items(), *includes], stored, world)
            raise Undo
    except Undo:
        pass


def agrees(tx, type, pairs, stored, world):
    parameters = CATALOG[type].parameters
    text = urlencode(pairs)

    def asked(*more):
        given = [*pairs, ("_total", "accurate"), *more]
        limits = Limits(default_count=3)
        return parse(type, parameters, given, limits=limits, base=BASE, types=CATALOG, codes=Codes())

    query = asked()
    expected = [item for item in world.resources if match.matches(item, query, parameters, BASE, world)]
    expected = match.ordered(expected, query, world)
    by_id = {item.id: item.resource() for item in stored}
    found, cursor = [], None
    for _ in range(len(stored) + 2):
        answer = search(tx, "default", asked(*([("_page", cursor)] if cursor else [])))
        assert len(answer.versions) <= query.count
        assert answer.total == len(expected), text
        here = [next(one for one in world.resources if one["id"] == item.id) for item in answer.versions]
        added = match.included(here, query, world)
        # The Provenances that are made of writes, which have no row of their own, are none of this world.
        assert sorted(item.id for item in answer.included if item.rid > 0) == [item["id"] for item in added], text
        found += answer.versions
        cursor = answer.next_cursor
        if cursor is None:
            break
    assert [item.id for item in found] == [item["id"] for item in expected], text
    assert [item.resource() for item in found] == [by_id[item.id] for item in found]


@pytest.mark.parametrize("sort", ["", "_sort=_lastUpdated"])
def test_resources_stored_meanwhile_neither_repeat_nor_hide_others(database, sort):
    def put(id, now, **more):
        task = {"resourceType": "Task", "for": {"reference": "Patient/p1"}, **more}
        with database.write() as tx:
            commit(tx, "default", [Change("update", "Task", id, task)], now=now, origin=ORIGIN)

    for number in range(6):
        put(f"t{number}", number)
    pairs = [("patient", "p1"), ("_count", "2"), *([("_sort", "_lastUpdated")] if sort else [])]
    seen, cursor, turn = [], None, 0
    while turn == 0 or cursor:
        turn += 1
        with database.read() as tx:
            page = [("_page", cursor)] if cursor else []
            answer = search(tx, "default", parse("Task", CATALOG["Task"].parameters, [*pairs, *page]))
        seen += [item.id for item in answer.versions]
        cursor = answer.next_cursor
        if turn == 1:
            put("t0", 100, status="accepted")
            put("new", 101)
    if sort:
        # Along the time of change, what changes meanwhile comes again at its new time.
        assert seen == ["t0", "t1", "t2", "t3", "t4", "t5", "t0", "new"]
    else:
        assert seen == ["t0", "t1", "t2", "t3", "t4", "t5", "new"]


def test_a_deleted_resource_is_not_found_and_hides_none(database):
    with database.write() as tx:
        for number in range(5):
            task = {"resourceType": "Task", "status": "requested"}
            commit(tx, "default", [Change("create", "Task", f"t{number}", task)], now=number, origin=ORIGIN)
        commit(tx, "default", [Change("delete", "Task", "t1")], now=9, origin=ORIGIN)
    for text in ([], [("status", "requested")], [("_id", "t0,t1,t2,t3,t4")], [("_lastUpdated", "ge1970")]):
        with database.read() as tx:
            query = parse("Task", CATALOG["Task"].parameters, [*text, ("_total", "accurate")])
            answer = search(tx, "default", query)
        assert [item.id for item in answer.versions] == ["t0", "t2", "t3", "t4"]
        assert answer.total == 4


def test_a_search_of_a_type_that_was_never_stored_is_empty(database):
    with database.read() as tx:
        query = parse("Goal", CATALOG["Goal"].parameters, [("patient", "p1"), ("_total", "accurate")])
        answer = search(tx, "default", query)
    assert (answer.versions, answer.next_cursor, answer.total) == ([], None, 0)
