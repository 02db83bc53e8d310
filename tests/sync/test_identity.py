"""Ids at the border: what goes out and comes back is what it was."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.catalog import CATALOG
from fhirplan.store.engine import Database, Transaction
from fhirplan.store.sync import links
from fhirplan.store.sync.links import Link
from fhirplan.sync.content import comparable, same
from fhirplan.sync.identity import Border, Ids, inbound, outbound, targets

BORDER = Border("https://ehr.test/r4", "https://ours.test/fhir", frozenset(CATALOG))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.open(f"sqlite:///{tmp_path / 'ids.db'}")
    made.migrate()
    with made.write() as tx:
        for type_, ours, theirs in (("Patient", "p", "900"), ("Goal", "g", "901"), ("Task", "t", "t")):
            links.put(tx, "default", Link(type_, ours, theirs, "1", "", {"resourceType": type_}, 1), 0)
    yield made
    made.close()


@pytest.fixture
def tx(database: Database) -> Iterator[Transaction]:
    with database.write() as made:
        yield made


def ids(tx: Transaction) -> Ids:
    numbers = itertools.count(1)
    return Ids(tx, "default", BORDER, lambda: f"new-{next(numbers)}", 0)


OUTBOUND = {
    "Patient/p": {"reference": "Patient/900"},
    "https://ours.test/fhir/Patient/p": {"reference": "Patient/900"},
    "Task/t": {"reference": "Task/t"},
    "Goal/unsent": {"identifier": {"system": "http://fhirplan.dev/fhir/sid/goal", "value": "unsent"}},
    "Goal/g/_history/3": {"reference": "https://ours.test/fhir/Goal/g/_history/3"},
    "https://ehr.test/r4/Goal/901/_history/2": {"reference": "Goal/901/_history/2"},
    "https://ehr.test/r4/Medication/7": {"reference": "Medication/7"},
    "https://elsewhere.test/fhir/Goal/g": {"reference": "https://elsewhere.test/fhir/Goal/g"},
    "urn:uuid:0f1c": {"reference": "urn:uuid:0f1c"},
    "#part": {"reference": "#part"},
    "Medication/7": {"reference": "https://ours.test/fhir/Medication/7"},
}


@pytest.mark.parametrize("ours", OUTBOUND)
def test_each_kind_of_reference_goes_out_as_the_ehr_can_use_it(ours: str, tx: Transaction) -> None:
    task = {"resourceType": "Task", "id": "t", "focus": {"reference": ours, "display": "It"}}
    assert outbound(ids(tx), task, "t")["focus"] == {**OUTBOUND[ours], "display": "It"}


@pytest.mark.parametrize("ours", [item for item in OUTBOUND if not item.startswith("https://ours.test/fhir/Patient")])
def test_each_kind_of_reference_comes_back_as_it_went_out(ours: str, tx: Transaction) -> None:
    task = {"resourceType": "Task", "id": "t", "focus": {"reference": ours}}
    assert inbound(ids(tx), outbound(ids(tx), task, "t"), "t") == task


def test_the_mark_on_the_ehrs_copy_is_not_on_ours(tx: Transaction) -> None:
    goal = {"resourceType": "Goal", "id": "g", "identifier": [{"system": "urn:mine", "value": "7"}]}
    sent = outbound(ids(tx), goal, "901")
    assert len(sent["identifier"]) == 2
    assert inbound(ids(tx), sent, "g") == goal


@pytest.mark.parametrize("theirs", ["Patient/900", "https://ehr.test/r4/Patient/900"])
def test_the_ehrs_references_come_in_as_ours(theirs: str, tx: Transaction) -> None:
    task = {"resourceType": "Task", "id": "t", "for": {"reference": theirs}}
    assert inbound(ids(tx), task, "t")["for"] == {"reference": "Patient/p"}


def test_an_unseen_target_gets_an_id_that_it_keeps(tx: Transaction) -> None:
    task = {"resourceType": "Task", "id": "t", "focus": {"reference": "Goal/g"}}
    first = inbound(ids(tx), task, "t")["focus"]["reference"]
    assert first == "Goal/new-1", "g is taken here by another goal"
    assert inbound(ids(tx), task, "t")["focus"]["reference"] == first


def test_an_id_of_the_ehrs_that_is_no_fhir_id_gets_a_new_one(tx: Transaction) -> None:
    assert ids(tx).ours("Goal", "a/b c") == "new-1"


def test_a_create_has_no_id_no_version_and_our_identifier(tx: Transaction) -> None:
    goal = {"resourceType": "Goal", "id": "mine", "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"}}
    assert outbound(ids(tx), goal, "") == {
        "resourceType": "Goal",
        "identifier": [{"system": "http://fhirplan.dev/fhir/sid/goal", "value": "mine"}],
    }


def test_what_came_from_the_ehr_is_sent_back_without_an_identifier_of_ours(tx: Transaction) -> None:
    assert "identifier" not in outbound(ids(tx), {"resourceType": "Task", "id": "t"}, "t")


def test_targets_are_ours_each_once_without_itself(tx: Transaction) -> None:
    plan = {
        "resourceType": "CarePlan",
        "id": "cp",
        "subject": {"reference": "Patient/p"},
        "author": {"reference": "https://ours.test/fhir/Patient/p"},
        "goal": [{"reference": "Goal/g"}, {"reference": "Goal/g"}, {"reference": "Goal/g/_history/1"}],
        "replaces": [{"reference": "CarePlan/cp"}],
        "addresses": [{"reference": "Medication/1"}, {"reference": "https://ehr.test/r4/Goal/5"}],
    }
    assert targets(BORDER, plan) == (("Patient", "p"), ("Goal", "g"))


references = st.sampled_from([*OUTBOUND, "Task/other", "CarePlan/cp9"]).map(lambda text: {"reference": text})
elements = st.recursive(
    references | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, min_size=1),
    max_leaves=6,
)


@given(content=st.dictionaries(st.sampled_from(["focus", "part", "extension"]), elements))
def test_out_and_in_again_is_the_same_content(content: dict[str, Any], database: Database) -> None:
    goal = {"resourceType": "Goal", "id": "g", **content}
    with database.write() as tx:
        sent = outbound(ids(tx), goal, "901")
        back = inbound(ids(tx), sent, "g")
        again = outbound(ids(tx), back, "901")
    if "Medication/7" not in str(content) and "https://ours.test/fhir/Patient/p" not in str(content):
        assert same(comparable(back), comparable(goal))
    assert again == sent
