"""The database finds what the evaluator in memory says, page by page, on both databases."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.fhir.codec import loads
from fhirplan.search import match
from fhirplan.search.query import Limits, parse
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.search_sql import search

BASE = "http://here/fhir"
ORIGIN = Origin("a", "b", "api", push=False)
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


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
coding = elements(system=SYSTEMS, code=CODES)
concept = elements(coding=st.lists(coding, max_size=3))
reference = elements(reference=REFERENCES, type=st.sampled_from(["Patient", "Group"]))
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
        identifier=st.lists(coding, max_size=2),
        owner=reference,
        authoredOn=DATES,
        executionPeriod=period,
        meta=meta,
        basedOn=st.lists(reference, max_size=2),
        **{"for": reference},
    ).map(lambda it: {"resourceType": "Task", **it}),
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
                family=st.sampled_from(["Müller", "muller", "Mu", "Quist"]),
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
PREFIXES = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "ap"])
DATE_VALUES = st.tuples(PREFIXES | st.sampled_from(["sa", "eb"]), DATES).map("".join)
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
            PREFIXES | st.sampled_from(["sa", "eb"]),
            st.sampled_from(["1970-01-01T00:00:00.003Z", "1970", "1970-01-01T00:00:00Z"]),
        ).map("".join),
    ),
    parameter(["_tag"], TOKENS),
    parameter(["_profile"], SYSTEMS),
]
ASKED = {
    "Task": [
        parameter(["status", "code", "identifier"], TOKENS),
        parameter(["patient", "patient:Patient", "subject"], st.sampled_from(["p1", "p2"])),
        parameter(["patient", "subject", "based-on"], REFERENCE_VALUES),
        parameter(["owner"], st.sampled_from(["n", "Practitioner/n", "Patient/p1"])),
        parameter(["authored-on", "period"], DATE_VALUES),
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
    ],
    "RiskAssessment": [parameter(["probability"], NUMBER_VALUES), parameter(["subject"], REFERENCE_VALUES)],
}
RESULTS = elements(_sort=st.sampled_from(["_lastUpdated", "-_lastUpdated"]), _count=st.sampled_from(["1", "2", "50"]))
QUERIES = st.sampled_from(sorted(ASKED)).flatmap(
    lambda type: st.tuples(st.just(type), st.lists(st.one_of(*ASKED[type], *COMMON), max_size=3), RESULTS)
)


class Undo(Exception):
    pass


@few
@given(st.lists(RESOURCES, max_size=8), st.lists(QUERIES, min_size=1, max_size=8))
def test_pages_of_the_database_make_what_the_evaluator_says(database, resources, queries):
    stored = []
    try:
        with database.write() as tx:
            for number, resource in enumerate(resources):
                changes = [Change("create", resource["resourceType"], f"r{number}", resource)]
                stored += commit(tx, "default", changes, now=number, origin=ORIGIN, base=BASE)
            for type, pairs, results in queries:
                agrees(tx, type, [*pairs, *results.items()], stored)
            raise Undo
    except Undo:
        pass


def agrees(tx, type, pairs, stored):
    parameters = CATALOG[type].parameters
    limits = Limits(default_count=3)
    query = parse(type, parameters, [*pairs, ("_total", "accurate")], limits=limits, base=BASE)
    expected = [item for item in stored if match.matches(item.resource(), query, parameters, BASE)]
    if query.sort == "-updated":
        expected.reverse()
    found, cursor = [], None
    for _ in range(len(stored) + 2):
        page = [("_page", cursor)] if cursor else []
        query = parse(type, parameters, [*pairs, ("_total", "accurate"), *page], limits=limits, base=BASE)
        answer = search(tx, "default", query)
        assert len(answer.versions) <= query.count
        assert answer.total == len(expected), urlencode(pairs)
        found += answer.versions
        cursor = answer.next_cursor
        if cursor is None:
            break
    assert [item.id for item in found] == [item.id for item in expected], urlencode(pairs)
    assert found == expected


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
