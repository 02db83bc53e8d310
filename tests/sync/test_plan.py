"""The decision about one resource, by its law: who changed what decides, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import Issue
from fhirplan.sync.plan import (
    Abilities,
    Conflict,
    Echo,
    FastForward,
    Merged,
    Park,
    Push,
    RemoteGone,
    Unchanged,
    decide,
    newly_broken,
    paths,
)


def goal(text: str | None, **more: Any) -> dict[str, Any] | None:
    return None if text is None else {"resourceType": "Goal", "id": "g", "description": {"text": text}, **more}


A, B, C = goal("a"), goal("b"), goal("c")


@pytest.mark.parametrize(
    ("base", "local", "remote", "decision"),
    [
        (A, A, A, Unchanged()),
        (None, None, None, Unchanged()),
        (A, A, B, FastForward()),
        (None, None, B, FastForward()),
        (A, B, A, Push("update")),
        (None, B, None, Push("create")),
        (A, None, A, Push("delete")),
        (A, A, None, RemoteGone()),
        (A, B, B, Unchanged()),
        (A, None, None, Unchanged()),
        (None, B, B, Unchanged()),
        (A, B, C, Conflict(("Goal.description",))),
        (None, B, C, Conflict(("Goal.description",))),
        (A, None, B, Conflict(("Goal",))),
        (A, B, None, Conflict(("Goal",))),
    ],
)
def test_the_table_of_decisions(base: Any, local: Any, remote: Any, decision: Any) -> None:
    assert decide(base, local, remote) == decision


def test_our_own_write_coming_back_is_an_echo() -> None:
    assert decide(A, A, A, ours=True) == Echo()


def test_an_earlier_version_of_ours_whose_reply_was_lost_is_an_echo_and_no_conflict() -> None:
    assert decide(A, C, B, own=[(3, C), (2, B)]) == Echo(2)


def test_our_going_back_to_the_base_is_not_undone_by_the_version_that_landed_unseen() -> None:
    assert decide(A, A, B, own=[(3, A), (2, B)]) == Echo(2)


def test_what_landed_unseen_and_is_deleted_here_does_not_come_back() -> None:
    assert decide(None, None, B, own=[(2, None), (1, B)]) == Echo(1)


@pytest.mark.parametrize(("base", "local", "method"), [(A, B, "update"), (None, B, "create"), (A, None, "delete")])
def test_a_change_the_ehr_does_not_take_is_parked_with_the_reason(base: Any, local: Any, method: str) -> None:
    decision = decide(base, local, base, can=Abilities(create=False, update=False, delete=False))
    assert isinstance(decision, Park)
    assert method in decision.reason


def test_server_fields_ids_and_key_order_are_no_change() -> None:
    remote = {"description": {"text": "a"}, "meta": {"versionId": "7", "lastUpdated": "2026-01-01"}, "id": "x"}
    assert decide(A, A, {**remote, "resourceType": "Goal"}) == Unchanged()


def test_digits_of_a_decimal_are_a_change() -> None:
    from decimal import Decimal

    one, other = goal("a", value=Decimal("1.50")), goal("a", value=Decimal("1.5"))
    assert decide(one, one, other) == FastForward()


def test_true_is_not_one() -> None:
    assert decide(goal("a", value=True), goal("a", value=True), goal("a", value=1)) == FastForward()


def test_our_id_on_the_ehrs_copy_is_no_change() -> None:
    marked = goal("a", identifier=[{"system": "http://fhirplan.dev/fhir/sid/goal", "value": "g"}])
    assert decide(A, A, marked) == Unchanged()
    assert decide(A, A, goal("a", identifier=[{"system": "urn:other", "value": "g"}])) == FastForward()


def test_a_conflict_names_what_both_changed_before_what_only_one_did() -> None:
    base = goal("a", note=[{"text": "n"}])
    local, remote = goal("b", note=[{"text": "m"}]), goal("c", note=[{"text": "n"}])
    assert paths(base, local, remote) == ("Goal.description",)


def test_what_was_never_agreed_on_is_not_merged_even_where_nothing_clashes() -> None:
    assert decide(None, A, goal("a", note=[{"text": "n"}])) == Conflict(("Goal.note",))


@pytest.mark.parametrize(("status", "kept"), [("generated", False), ("additional", True)])
def test_only_a_narrative_made_from_the_fields_is_left_out_of_a_merge(status: str, kept: bool) -> None:
    text = {"status": status, "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}
    base = {**goal("a"), "text": text}
    decision = decide(base, {**base, "description": {"text": "b"}}, {**base, "note": [{"text": "n"}]})
    assert isinstance(decision, Merged)
    assert ("text" in decision.resource) is kept


@pytest.mark.parametrize(("here", "there"), [("Patient/p1", "Patient/p2"), ("Patient/p2", "Patient/p1")])
def test_words_about_one_patient_are_not_merged_into_what_is_anothers_now(here: str, there: str) -> None:
    about = {"subject": {"reference": "Patient/p1"}}
    local = goal("b" if here == "Patient/p1" else "a", subject={"reference": here})
    remote = goal("b" if there == "Patient/p1" else "a", subject={"reference": there})
    assert decide(goal("a", **about), local, remote) == Conflict(("Goal.subject",))


def test_only_a_rule_that_no_copy_breaks_already_is_broken_by_a_merge() -> None:
    def judged(resource: dict[str, Any]) -> tuple[Issue, ...]:
        place = len(resource.get("note", ()))
        return (Issue("error", "invariant", "No.", f"Goal.target[{place}]", rule=resource["description"]["text"]),)

    moved, other = goal("a", note=[{"text": "n"}]), goal("b")
    assert newly_broken(moved, (A, other), judged) == ()
    assert [issue.rule for issue in newly_broken(C, (A, other), judged)] == ["c"]


copies = st.sampled_from([None, A, B, C, goal("a", note=[{"text": "n"}])])


@given(base=copies, local=copies, remote=copies)
def test_no_decision_loses_an_unseen_change_of_either_side(base: Any, local: Any, remote: Any) -> None:
    decision = decide(base, local, remote)
    if isinstance(decision, FastForward | RemoteGone):
        assert local == base, "ours would be overwritten"
    if isinstance(decision, Push):
        assert remote == base, "theirs would be overwritten"
    if isinstance(decision, Unchanged | Echo):
        assert local == remote
    if isinstance(decision, Conflict):
        assert local != base
        assert remote != base
        assert decision.paths


@given(base=copies, local=copies, remote=copies)
def test_both_sides_are_treated_alike(base: Any, local: Any, remote: Any) -> None:
    mirror = {Push: (FastForward, RemoteGone), FastForward: (Push,), RemoteGone: (Push,)}
    decision, swapped = decide(base, local, remote), decide(base, remote, local)
    assert isinstance(swapped, mirror.get(type(decision), (type(decision),)))
