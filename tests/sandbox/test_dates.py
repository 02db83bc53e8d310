"""Searches by date: periods and open ends, partial dates, prefixes, and times with a zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.sandbox import instants

PLANS = {
    "march": {"start": "2026-03-01", "end": "2026-03-31"},
    "spring": {"start": "2026-03-15", "end": "2026-05"},
    "from-june": {"start": "2026-06-01"},
    "until-2025": {"end": "2025"},
    "noon": {"start": "2026-03-10T12:00:00+02:00", "end": "2026-03-10T12:00:00+02:00"},
    "undated": {},
    "broken": {"start": "soon"},
}


@pytest.fixture
def plans(ehr):
    for id_, period in PLANS.items():
        ehr.put({"resourceType": "CarePlan", "id": id_, "period": period})
    return lambda search: set(ehr.found(f"CarePlan?{search}"))


@pytest.mark.parametrize(("search", "expected"), [
    ("date=2026-03", {"march", "noon"}),
    ("date=eq2026", {"march", "spring", "noon"}),
    ("date=ge2026-04-01", {"spring", "from-june"}),
    ("date=gt2026-03-31", {"spring", "from-june"}),
    ("date=le2025-12-31", {"until-2025"}),
    ("date=lt2026-03-10", {"march", "until-2025"}),
    ("date=ge2026-03-10T10:00:00Z&date=le2026-03-10T10:00:00Z", {"march", "noon"}),
    ("date=ge2026-04-01&date=le2026-04-30", {"spring"}),
    ("date=2026-03-10,2026", {"march", "spring", "noon"}),
    ("date=ge2099", {"from-june"}),
])  # fmt: skip
def test_a_period_is_found_by_date(plans, search, expected):
    assert plans(search) == expected


def test_a_date_narrows_other_conditions(ehr):
    for id_, due in (("a", "2026-01-01"), ("b", "2026-02-01")):
        target = [{"dueDate": due}, {"dueDate": "2027"}]
        ehr.put({"resourceType": "Goal", "id": id_, "target": target, "subject": {"reference": "Patient/p"}})
    assert ehr.found("Goal?patient=p&target-date=2026-02") == ["b"]
    assert ehr.found("Goal?target-date=2027-01-01,2026-01-01") == ["a"]
    assert ehr.found("Goal?target-date=2027") == ["a", "b"]
    assert ehr("GET", "Goal?target-date=2026-02").resource["total"] == 1


@pytest.mark.parametrize("bad", ["date=soon", "date=ne2026", "date=sa2026", "date:missing=true", "date="])
def test_what_is_no_date_is_refused(ehr, bad):
    assert ehr("GET", f"CarePlan?{bad}").status_code == 400


@given(st.integers(instants.EARLIEST, instants.LATEST), st.integers(instants.EARLIEST, instants.LATEST))
def test_the_order_of_the_texts_is_the_order_of_time(one, other):
    assert (instants.sortable(one) < instants.sortable(other)) == (one < other)
    assert len(instants.sortable(one)) == instants.DIGITS
