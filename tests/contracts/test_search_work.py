"""Searches that name a patient or a selective value do the same work however much is stored, on both databases.

Work is counted, not timed: SQLite's instructions, PostgreSQL's pages.
"""

import json
from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.search.query import parse
from fhirplan.store import engine
from fhirplan.store.commit import Change, Origin, commit
from fhirplan.store.search.searching import search

ORIGIN = Origin("a", "b", "api", push=False)
SMALL, LARGE = 30, 600
# Tables whose size does not depend on how many resources are stored.
FEW_ROWS = {"setting", "search_param", "coding_system"}
CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"
SHAPES = [
    # US Core's required combinations, and those it recommends.
    ("CarePlan", f"patient=p7&category={CATEGORY}|assess-plan"),
    ("CarePlan", f"patient=p7&category={CATEGORY}|assess-plan&status=active"),
    ("CarePlan", f"patient=p7&category={CATEGORY}|assess-plan&status=active&date=ge2026-01-01&date=le2026-12-31"),
    ("CarePlan", f"patient=p7&category={CATEGORY}|assess-plan&date=gt2026-01-01"),
    ("CareTeam", "patient=p7&status=active,proposed"),
    ("Goal", "patient=p7"),
    ("Goal", "patient=p7&target-date=lt2027-01-01"),
    ("Goal", "patient=p7&lifecycle-status=active"),
    ("Patient", "_id=p7"),
    ("Patient", "identifier=http://mrn|p7"),
    ("Patient", "identifier=p7"),
    ("Patient", "name=famp7x"),
    ("Patient", "name:exact=Famp7x&birthdate=1950-01-01"),
    # Ours.
    ("Task", "patient=p7&status=accepted"),
    ("Task", "patient=p7&code=http://types|call"),
    ("Task", "owner=Practitioner/of-p7&status=accepted"),
    ("Task", "based-on=CarePlan/p7-plan&status=accepted"),
    ("Task", "patient=p7&due=le2026-12-31"),
    ("Task", "patient=p7&_lastUpdated=ge2020-01-01"),
    ("Task", "patient=p7&_sort=due&_count=2"),
    ("Task", "patient=p7&_sort=-_lastUpdated&_count=2"),
    ("Task", "patient=p7&status:not=completed"),
    ("Task", "patient=p7&owner:missing=false"),
    ("Task", "identifier=http://task|p7-t1"),
    # Any code of a system, of one that few have and of one that all have.
    ("Task", "identifier=http://rare|"),
    ("Task", "identifier=http://task|&_count=5"),
    ("Task", "patient=p7&identifier=http://task|"),
    # What few have, in an order of something else.
    ("Task", "priority=stat&_sort=due"),
    ("Task", "priority=stat&_sort=-_lastUpdated"),
    # What many have, a page of it.
    ("Task", "status=accepted&_count=5"),
    ("Task", "_lastUpdated=ge2020-01-01&_count=5"),
    ("Task", "_sort=-_lastUpdated&_count=5"),
    ("Task", "_sort=due&_count=5"),
    # Through references.
    ("Task", "patient.identifier=http://mrn|p7"),
    ("Task", "patient:Patient.name=famp7x"),
    ("Task", f"patient.identifier={','.join(['http://mrn|p7', *(f'http://mrn|none{n}' for n in range(99))])}"),
    ("Patient", "_has:Task:patient:identifier=http://task|p7-t1"),
    ("CarePlan", "patient=p7&_include=CarePlan:goal&_include=CarePlan:care-team&_revinclude=Task:based-on"),
    ("CarePlan", "_id=p7-plan&_include=CarePlan:goal"),
]


def story(number):
    me = f"p{number}"
    subject = {"reference": f"Patient/{me}"}
    yield {
        "resourceType": "Patient",
        "id": me,
        "identifier": [{"system": "http://mrn", "value": me}],
        "name": [{"family": f"Fam{me}x"}],
        "birthDate": "1950-01-01",
    }
    yield {
        "resourceType": "CarePlan",
        "id": f"{me}-plan",
        "status": "active",
        "intent": "plan",
        "category": [{"coding": [{"system": CATEGORY, "code": "assess-plan"}]}],
        "subject": subject,
        "period": {"start": "2026-03-02"},
        "goal": [{"reference": f"Goal/{me}-g"}],
        "careTeam": [{"reference": f"CareTeam/{me}-team"}],
    }
    yield {"resourceType": "CareTeam", "id": f"{me}-team", "status": "active", "subject": subject}
    due = [{"dueDate": "2026-05-01"}]
    yield {"resourceType": "Goal", "id": f"{me}-g", "lifecycleStatus": "active", "subject": subject, "target": due}
    for place in range(6):
        rare = [{"system": "http://rare", "value": "1"}] if number == 7 and place == 1 else []
        yield {
            "resourceType": "Task",
            "id": f"{me}-t{place}",
            "status": "accepted" if place < 4 else "completed",
            "intent": "order",
            "priority": "stat" if rare else "routine",
            "identifier": [{"system": "http://task", "value": f"{me}-t{place}"}, *rare],
            "code": {"coding": [{"system": "http://types", "code": "call"}]},
            "for": subject,
            "owner": {"reference": f"Practitioner/of-{me}"},
            "basedOn": [{"reference": f"CarePlan/{me}-plan"}],
            "restriction": {"period": {"end": f"2026-{number % 12 + 1:02d}-20"}},
        }


def fill(database, begin, end):
    changes = [
        Change("create", item["resourceType"], item["id"], item)
        for number in range(begin, end)
        for item in story(number)
    ]
    for start in range(0, len(changes), 500):
        with database.write() as tx:
            commit(tx, "default", changes[start : start + 500], now=1_790_000_000_000 + start + begin, origin=ORIGIN)


def find(database, type, text):
    query = parse(type, CATALOG[type].parameters, parse_qsl(text, keep_blank_values=True), types=CATALOG)
    with database.read() as tx:
        found = search(tx, "default", query)
    assert found.versions, text


def instructions(database, type, text):
    """The instructions of SQLite's machine that a search takes, once its statements are prepared."""
    find(database, type, text)
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    with database.read() as tx:
        tx._driver.set_progress_handler(count, 1)
    find(database, type, text)
    with database.read() as tx:
        tx._driver.set_progress_handler(None, 1)
    return steps


def pages(database, type, text, monkeypatch):
    """The pages that PostgreSQL reads for a search; no table that grows may be read from end to end."""
    total = 0
    run = engine.Transaction._run

    def explained(tx, stmt, params):
        nonlocal total
        sql, given = stmt.sql(tx.dialect)
        told = tx._driver.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", {**given, **params}).fetchone()[0]
        plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        scanned = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
        assert scanned <= FEW_ROWS, (text, sql)
        # It is carried out by a plan made for any values, where EXISTS may become a join over a whole index.
        assert "EXISTS" not in sql or "index_" not in sql, (text, sql)
        total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return run(tx, stmt, params)

    with monkeypatch.context() as patched:
        patched.setattr(engine.Transaction, "_run", explained)
        find(database, type, text)
    return total


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def test_the_work_of_a_search_does_not_grow_with_what_is_stored(database, monkeypatch):
    monkeypatch.setattr("fhirplan.store.search.plan.FEW", 50)
    monkeypatch.setattr("fhirplan.store.search.plan.FEW_EQUAL", 50)

    def work(type, text):
        if database.dialect == "sqlite":
            return instructions(database, type, text)
        return pages(database, type, text, monkeypatch)

    fill(database, 0, SMALL)
    database.analyze()
    small = {shape: work(*shape) for shape in SHAPES}
    fill(database, SMALL, LARGE)
    database.analyze()
    large = {shape: work(*shape) for shape in SHAPES}
    assert {shape: (small[shape], large[shape]) for shape in SHAPES if large[shape] > 1.5 * small[shape] + 30} == {}


def test_no_table_is_read_from_end_to_end_before_there_are_statistics(database, monkeypatch):
    if database.dialect == "sqlite":
        pytest.skip("SQLite is used without statistics anyway")
    monkeypatch.setattr(engine, "_ANALYZED_FIRST", 10**9)
    database.close()
    fill(database, 0, 200)
    for shape in SHAPES:
        pages(database, *shape, monkeypatch)
