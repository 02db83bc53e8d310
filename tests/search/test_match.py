"""The evaluator, against the examples and tables of R4 section 3.1.1.4."""

from urllib.parse import parse_qsl

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.fhir.codec import loads
from fhirplan.search.match import matches
from fhirplan.search.query import parse


def found(resource, text):
    parameters = CATALOG[resource["resourceType"]].parameters
    return matches(resource, parse(resource["resourceType"], parameters, parse_qsl(text)), parameters)


def authored(text):
    return {"resourceType": "Task", "id": "t1", "authoredOn": text}


@pytest.mark.parametrize(
    ("stored", "search", "expected"),
    [
        ("2013-01-14T00:00:00Z", "2013-01-14", True),
        ("2013-01-14T10:00:00Z", "2013-01-14", True),
        ("2013-01-15T00:00:00Z", "2013-01-14", False),
        ("2013-01", "2013-01-14", False),
        ("2013-01-14", "2013-01", True),
        ("2013-01-15T00:00:00Z", "ne2013-01-14", True),
        ("2013-01-14T00:00:00Z", "ne2013-01-14", False),
        ("2013-01-14", "lt2013-01-14T10:00:00Z", True),
        ("2013-01-14", "gt2013-01-14T10:00:00Z", True),
        ("2013-01-14", "gt2013-01-14", False),
        ("2013-03-14", "ge2013-03-14", True),
        ("2013-03-13", "ge2013-03-14", False),
        ("2013-03-14", "le2013-03-14", True),
        ("2013-03-15", "le2013-03-14", False),
        ("2013-03-15", "sa2013-03-14", True),
        ("2013-03-14", "sa2013-03-14", False),
        ("2013-03-13", "eb2013-03-14", True),
        ("2013-03", "ap2013-03-14", True),
    ],
)
def test_dates(stored, search, expected):
    assert found(authored(stored), f"authored-on={search}") is expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("2026-04-15", True),
        ("2026", True),
        ("2026-02", False),
        ("ne2026-04-15", False),
        ("gt2026-06-29", True),
        ("gt2026-06-30", False),
        ("lt2026-03-02", False),
        ("lt2026-03-03", True),
        ("ge2026-07", False),
        ("le2026-03-01", False),
        ("sa2026-03-01", True),
        ("eb2026-07-01", True),
        ("eb2026-06-30", False),
    ],
)
def test_a_period_is_found_by_any_time_it_overlaps(search, expected):
    plan = {"resourceType": "CarePlan", "id": "c", "period": {"start": "2026-03-02", "end": "2026-06-30"}}
    assert found(plan, f"date={search}") is expected


def test_an_open_period_goes_on():
    plan = {"resourceType": "CarePlan", "id": "c", "period": {"start": "2026-03-02"}}
    assert found(plan, "date=2999")
    assert found(plan, "date=gt9000")
    assert not found(plan, "date=2025")


@pytest.mark.parametrize(
    ("stored", "search", "expected"),
    [
        ("100", "100", True),
        ("100.4", "100", True),
        ("100.5", "100", False),
        ("99.5", "100", True),
        ("100.005", "100.00", False),
        ("100.004", "100.00", True),
        ("100", "lt100", False),
        ("99.9", "lt100", True),
        ("100", "le100", True),
        ("100.1", "gt100", True),
        ("100", "ge100", True),
        ("101", "ne100", True),
        ("109", "ap100", True),
        ("111", "ap100", False),
        ("100.1", "sa100", True),
        ("100", "sa100", False),
        ("99.9", "eb100", True),
        ("100", "eb100", False),
    ],
)
def test_numbers(stored, search, expected):
    risk = {"resourceType": "RiskAssessment", "id": "r", "prediction": [{"probabilityDecimal": loads(stored)}]}
    assert found(risk, f"probability={search}") is expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [("gt0.3", True), ("sa0.3", False), ("sa0.1", True), ("lt0.3", True), ("eb0.3", False), ("eb0.5", True)],
)
def test_a_range_begins_after_a_number_or_ends_before_it_as_a_whole(search, expected):
    probability = {"low": {"value": loads("0.2")}, "high": {"value": loads("0.4")}}
    risk = {"resourceType": "RiskAssessment", "id": "r", "prediction": [{"probabilityRange": probability}]}
    assert found(risk, f"probability={search}") is expected


def test_conditions_are_all_to_hold_and_values_one_of_them():
    task = {"resourceType": "Task", "id": "t1", "status": "ready", "code": {"coding": [{"code": "a"}, {"code": "b"}]}}
    assert found(task, "status=ready&code=a&code=b&_id=t1,t2")
    assert found(task, "status=draft,ready")
    assert not found(task, "status=ready&code=c")
    assert not found(task, "_id=t2")
    assert not found({**task, "resourceType": "Goal"}, "_id=t2")
