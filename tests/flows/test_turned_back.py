"""EHRs whose versions or clocks go back, stand still or run ahead: nothing is lost or overwritten unseen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import requests

from fhirplan.ehr.transport import Request, Transport
from fhirplan.fhir import codec
from fhirplan.sync.resolve import resolve

HOUR = 3_600_000
Change = Callable[[dict[str, Any]], None]


def later(ours: Any, milliseconds: int = HOUR // 2) -> Any:
    """The same side some time on, when no replica can lag behind any more."""
    clock = ours.sides.clock
    return type(ours)(dataclasses.replace(ours.sides, clock=lambda: clock() + milliseconds, worker="later"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Has the EHR show each resource as ``change`` makes it, and heed no If-Match."""

    def show(change: Change) -> None:
        real = Transport._once

        def once(self: Any, request: Request) -> Any:
            plain = {name: value for name, value in request.headers.items() if name != "If-Match"}
            answer = real(self, dataclasses.replace(request, headers=plain))
            if answer.status >= 300 or not answer.body or "/metadata" in request.url:
                return answer
            said = codec.loads(answer.body)
            entries = said.get("entry", []) if said["resourceType"] == "Bundle" else [{"resource": said}]
            for entry in entries:
                change(entry["resource"])
            kept = {name: value for name, value in answer.headers.items() if name != "ETag"}
            return dataclasses.replace(answer, headers=kept, body=codec.dumps(said))

        monkeypatch.setattr(Transport, "_once", once)

    return show


def always_one(resource: dict[str, Any]) -> None:
    resource.setdefault("meta", {})["versionId"] = "1"


def always_one_and_no_time(resource: dict[str, Any]) -> None:
    resource["meta"] = {"versionId": "1"}


def no_numbers(resource: dict[str, Any]) -> None:
    resource["meta"]["versionId"] = "abcdefghij"[int(resource["meta"]["versionId"])]


def restored(clinic: Any, *resources: dict[str, Any]) -> None:
    """The EHR is as it was an hour ago, and numbers its versions as it did then."""
    clinic.store.reset()
    for resource in resources:
        dated(clinic, -HOUR, resource)


def dated(clinic: Any, milliseconds: int, resource: dict[str, Any]) -> None:
    """An edit that the EHR dates by a clock that is off."""
    with clinic.store.skewed(milliseconds):
        clinic.store.write("PUT", 200, resource["id"], resource)


def reread(ours: Any) -> Any:
    return ours.sync(full=True)


@pytest.mark.parametrize("change", [always_one, always_one_and_no_time])
def test_changes_are_seen_in_an_ehr_that_numbers_every_version_alike(
    change: Change, clinic: Any, ours: Any, make: Any, shown: Any
) -> None:
    shown(change)
    clinic.put(make.patient())
    clinic.put(make.goal())
    reread(ours)
    clinic.put(make.goal(text="Walk to the park"))
    assert reread(ours).agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "Walk to the park"


@pytest.mark.parametrize("change", [always_one, always_one_and_no_time])
def test_nothing_unseen_is_overwritten_in_an_ehr_that_numbers_every_version_alike(
    change: Change, clinic: Any, ours: Any, make: Any, shown: Any
) -> None:
    shown(change)
    there = type(ours)(dataclasses.replace(ours.sides, chosen_vendor="openemr", bundle=1))
    clinic.put(make.patient())
    clinic.put(make.goal())
    reread(there)
    there.edit("Goal", "g1", statusReason="ours")
    clinic.put(make.goal(text="Walk to the park"))
    assert there.sync(full=True).agreed
    goal = clinic.get("Goal/g1")
    assert (goal["description"]["text"], goal["statusReason"]) == ("Walk to the park", "ours")


def test_what_a_restored_ehr_has_lost_waits_for_a_person(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    ours.edit("Goal", "g1", description={"text": "Our words"})
    assert ours.sync().agreed
    restored(clinic, make.patient(), make.goal())
    after = later(ours)
    after.sync(full=True)
    (kept,) = after.conflicts()
    assert kept.paths == ("Goal.description",)
    assert after.get("Goal", "g1")["description"]["text"] == "Our words"
    resolve(after.sides, kept.cid, "ours", actor="Practitioner/nurse")
    assert after.sync(full=True).agreed
    assert clinic.get("Goal/g1")["description"]["text"] == "Our words"


def test_a_restored_ehr_whose_numbers_come_again_for_other_content_is_seen(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.goal(text="Before"))
    ours.sync()
    restored(clinic, make.patient(), make.goal())
    clinic.put(make.goal(text="After"))
    assert clinic.get("Goal/g1")["meta"]["versionId"] == "2"
    assert ours.sync().agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "After"


def test_a_change_for_a_resource_that_a_restored_ehr_turned_back_ends_in_a_conflict(
    clinic: Any, ours: Any, make: Any
) -> None:
    """The EHR refused each update as one of a stale version, and what it had was always held for an older copy."""
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.goal(text="Before"))
    ours.sync()
    restored(clinic, make.patient(), make.goal())
    ours.edit("Goal", "g1", description={"text": "Our words"})
    ours.sync()
    assert ours.get("Goal", "g1")["description"]["text"] == "Our words"
    after = later(ours)
    after.sync()
    assert [kept.paths for kept in after.conflicts()] == [("Goal.description",)]


def test_a_copy_that_lags_for_a_moment_is_no_conflict(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    clinic.put(make.goal(text="New"))
    ours.sync()
    rules = {"rules": [{"fault": "stale", "behind": 1}], "seed": 1}
    assert requests.post(f"{clinic.server.url}/admin/faults", json=rules, timeout=5).status_code == 200
    reread(ours)
    asked = {"rules": [], "seed": 1}
    assert requests.post(f"{clinic.server.url}/admin/faults", json=asked, timeout=5).status_code == 200
    assert ours.conflicts() == []
    assert ours.get("Goal", "g1")["description"]["text"] == "New"
    assert reread(ours).agreed


def test_an_edit_after_the_ehrs_clock_was_put_back_is_not_taken_for_an_older_one(
    clinic: Any, ours: Any, make: Any
) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal())
    ours.sync()
    dated(clinic, 3 * HOUR, make.goal(text="Dated too late"))
    assert ours.sync().agreed
    clinic.put(make.goal(text="Dated right"))
    assert ours.sync().agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "Dated right"


def test_a_resource_dated_in_the_future_hides_no_other_change(clinic: Any, ours: Any, make: Any) -> None:
    clinic.put(make.patient())
    clinic.put(make.goal("g1"))
    dated(clinic, 3 * HOUR, make.goal("g2"))
    ours.sync()
    clinic.put(make.goal("g1", text="Dated right"))
    assert ours.sync().agreed
    assert ours.get("Goal", "g1")["description"]["text"] == "Dated right"


def test_an_edit_dated_earlier_where_versions_are_no_numbers_is_not_lost(
    clinic: Any, ours: Any, make: Any, shown: Any
) -> None:
    shown(no_numbers)
    clinic.put(make.patient())
    clinic.put(make.goal())
    dated(clinic, HOUR, make.goal(text="Dated too late"))
    ours.sync()
    clinic.put(make.goal(text="Dated right"))
    ours.sync()
    after = later(ours)
    after.sync()
    (kept,) = after.conflicts()
    assert kept.remote["description"]["text"] == "Dated right"
