"""The demo's proof: one change on each side over HTTP, and both sides read back until each has the other's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import requests

from fhirplan.ehr.client import EhrClient, client
from fhirplan.errors import EhrFailure, FhirplanError
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import without_server_fields
from fhirplan.settings import Connection
from fhirplan.sync.agreement import compare
from fhirplan.sync.sides import Sides

_TYPE: Final = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
_SECONDS: Final = 20
_PAUSE: Final = 0.5
_NOTE: Final = "Called at 10:00; daughter will drive on Thursday."
_SAID: Final = "She stands on the scale each morning before breakfast."
_CHANGED_PLAN: Final = "CarePlan/cp-hf-1"
_CHANGED_TASK: Final = "Task/task-call48"
_CHANGED_GOAL: Final = "Goal/goal-weight"
_NEW: Final = "http://fhirplan.dev/fhir/sid/demo|new-task"


@dataclass(frozen=True, slots=True)
class Change:
    """What was changed, in words, and whether the other side has it by now."""

    words: str
    arrived: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Result:
    """How many resources were compared, and in words what is not the same."""

    compared: int
    problems: tuple[str, ...]


def make(us: str, ehr: str) -> tuple[Change, ...]:
    """Changes a task and adds one here, changes a goal there. Raises FhirplanError when a side refuses."""
    here = f"{us}/fhir"
    task = _get(f"{here}/{_CHANGED_TASK}")
    _put(f"{here}/{_CHANGED_TASK}", {**task, "note": [*task.get("note", ()), {"text": _NOTE}]})
    system, value = _NEW.split("|")
    added = {key: item for key, item in task.items() if key not in ("id", "meta", "text", "note", "partOf")}
    added |= {"identifier": [{"system": system, "value": value}], "description": "Confirm the ride on Thursday."}
    added["meta"] = {"profile": task["meta"]["profile"]}
    _send("POST", f"{here}/Task", added)
    goal = _there(ehr, _CHANGED_GOAL)
    _edit(ehr, {**goal, "note": [*goal.get("note", ()), {"text": _SAID}]})
    return (
        Change(
            f"here:    {_CHANGED_TASK} got a note, by PUT with If-Match",
            lambda: _NOTE in _notes(_there(ehr, _CHANGED_TASK)),
        ),
        Change("here:    a task was added, by POST", lambda: _there(ehr, f"Task?identifier={_NEW}").get("total") == 1),
        Change(
            f"the EHR: {_CHANGED_GOAL} got a note from the clinic",
            lambda: _SAID in _notes(_get(f"{here}/{_CHANGED_GOAL}")),
        ),
    )


def make_where_writes_are_refused(us: str, ehr: str) -> tuple[Change, ...]:
    """Changes a plan here, which such an EHR takes by another route or not at all, and a goal there, as the clinic.

    What arrives is told by the receipt: the plan itself cannot be written there. Raises FhirplanError when a side
    refuses.
    """
    here = f"{us}/fhir"
    plan = _get(f"{here}/{_CHANGED_PLAN}")
    made = _put(f"{here}/{_CHANGED_PLAN}", {**plan, "note": [*plan.get("note", ()), {"text": _NOTE}]})
    goal = _get(f"{here}/{_CHANGED_GOAL}")
    _edit(ehr, {**without_server_fields(goal), "note": [*goal.get("note", ()), {"text": _SAID}]})
    return (
        Change(
            f"here:    {_CHANGED_PLAN} got a note; its receipt says where it went",
            lambda: _sent(f"{here}/{_CHANGED_PLAN}/$receipts", int(made["meta"]["versionId"])),
        ),
        Change(
            f"the EHR: {_CHANGED_GOAL} got a note from the clinic",
            lambda: _SAID in _notes(_get(f"{here}/{_CHANGED_GOAL}")),
        ),
    )


def receipts(us: str) -> list[str]:
    """What became of each change of the plan and the task here: the route it took, and where it landed."""
    made = []
    for named in (_CHANGED_PLAN, _CHANGED_TASK):
        answer = requests.get(f"{us}/fhir/{named}/$receipts", timeout=_SECONDS)
        told = answer.json()["receipts"] if answer.status_code == 200 else []
        made += [f"{named} version {r['version']}: {r['route']}, {r['state']}, {r['ehrId'] or '-'}" for r in told]
    return made


def befallen(ehr: str) -> str:
    """How many requests to the EHR went wrong so far, by kind."""
    counted = requests.get(f"{_door(ehr)}/faults", timeout=_SECONDS).json()["injected"]
    return ", ".join(f"{count} {kind}" for kind, count in counted.items()) or "none"


def _door(ehr: str) -> str:
    return f"{ehr.removesuffix('/fhir')}/admin"


def _there(ehr: str, path: str) -> Resource:
    """What the clinic sees, by its own door: no fault befalls it, and no vendor refuses it."""
    return _send("POST", f"{_door(ehr)}/edit", {"method": "GET", "path": path})


def _edit(ehr: str, resource: Resource) -> None:
    path = f"{resource['resourceType']}/{resource['id']}"
    _send("POST", f"{_door(ehr)}/edit", {"method": "PUT", "path": path, "body": resource})


def _sent(url: str, version: int) -> bool:
    """Whether the newest receipt of that version says that the EHR has it, by whatever route."""
    answer = requests.get(url, timeout=_SECONDS)
    receipts = answer.json()["receipts"] if answer.status_code == 200 else []
    return any(item["version"] == version and item["state"] == "sent" for item in receipts)


def wait(sides: Sides, us: str, changes: tuple[Change, ...], *, patience: float) -> Result:
    """Waits until every change has arrived and both sides are the same, at most ``patience`` seconds."""
    end = time.monotonic() + patience
    with client(Connection(name="self", ehr_url=f"{us}/fhir")) as ours:
        while True:
            missing = tuple(f"Did not arrive: {change.words}" for change in changes if not change.arrived())
            if not missing or time.monotonic() > end:
                compared, differing = _compared(sides, ours)
                if not (missing or differing) or time.monotonic() > end:
                    return Result(compared, missing + differing)
            time.sleep(_PAUSE)


def _compared(sides: Sides, ours: EhrClient) -> tuple[int, tuple[str, ...]]:
    """How many resources were compared, and what differs; an EHR that fails just then is such a thing, too."""
    try:
        agreement = compare(sides, ours)
    except EhrFailure as error:
        return 0, (f"The EHR could not be read. {error.text}",)
    return agreement.compared, tuple(f"{item.type}/{item.id}: {item.what}" for item in agreement.differences)


def _notes(resource: Resource) -> list[str]:
    return [str(item.get("text")) for item in resource.get("note") or ()]


def _get(url: str) -> Resource:
    return _send("GET", url)


def _put(url: str, resource: Resource, headers: dict[str, str] | None = None) -> Resource:
    version = resource["meta"]["versionId"]
    return _send("PUT", url, resource, {"If-Match": f'W/"{version}"', **(headers or {})})


def _send(method: str, url: str, resource: Resource | None = None, headers: dict[str, str] | None = None) -> Resource:
    body = codec.dumps(resource) if resource is not None else None
    answer = requests.request(method, url, data=body, headers={**_TYPE, **(headers or {})}, timeout=_SECONDS)
    if answer.status_code >= 400:
        raise FhirplanError(f"{method} {url} was answered with {answer.status_code}: {answer.text[:500]}")
    return codec.loads_resource(answer.content)
