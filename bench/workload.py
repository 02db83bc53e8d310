"""The requests that servers are loaded with: a Lua script of wrk for each operation and server."""

from __future__ import annotations

import json
import random
from pathlib import Path

import people

OPERATIONS = ("read", "search", "create", "update", "transaction")
ENTRIES = 50
# Each run of updates has so many tasks of its own, each of which it changes again and again.
SLICE = 900
_JSON = "application/fhir+json"
_INCLUDES = "_include=CarePlan:goal&_include=CarePlan:care-team&_include=CarePlan:activity-reference"
# The plan, 4 goals, a team and the 6 tasks that the plan names.
FOUND = 12


def search(patient: int, includes: str = _INCLUDES) -> str:
    """The address of a patient's active plan with what belongs to it."""
    return f"CarePlan?patient=Patient/p{patient}&status=active&{includes}"


def script(operation: str, base: str, resources: int, includes: str = _INCLUDES) -> str:
    """The requests of an operation to a server whose FHIR base has the path ``base``, over so many resources."""
    chance = random.Random(11)
    chosen = [chance.randrange(resources // people.PER_PATIENT) for _ in range(500)]
    match operation:
        case "read":
            return _gets([f"{base}/CarePlan/p{number}-plan" for number in chosen])
        case "search":
            return _gets([f"{base}/{search(number, includes)}" for number in chosen])
        case "create":
            return _post(f"{base}/Task", json.dumps(new_task()))
        case "transaction":
            return _post(base or "/", bundle())
        case _:
            return _puts(base)


def floor(operation: str, resources: int) -> str:
    """The requests of an operation to the floor, which answers what it was given or sends back what it gets."""
    chance = random.Random(11)
    chosen = [chance.randrange(resources // people.PER_PATIENT) for _ in range(500)]
    match operation:
        case "read":
            return _gets([f"/read/p{number}-plan" for number in chosen])
        case "search":
            return _gets([f"/search?patient=p{number}" for number in chosen])
        case "create":
            return _post("/echo", json.dumps(new_task()))
        case "transaction":
            return _post("/echo", bundle())
        case _:
            return _puts("/echo")


def new_task() -> dict[str, object]:
    return {key: value for key, value in people.task("new", "p1").items() if key != "id"}


def bundle() -> str:
    """A transaction that creates ENTRIES tasks."""
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
            "resource": new_task(),
            "request": {"method": "POST", "url": "Task"},
        }
        for number in range(ENTRIES)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _gets(paths: list[str]) -> str:
    listed = ",".join(json.dumps(path) for path in paths)
    return (
        f"local paths = {{{listed}}}\nlocal made, next = {{}}, 0\n"
        "init = function(args) for i, path in ipairs(paths) do made[i] = wrk.format('GET', path) end end\n"
        "request = function() next = next % #made + 1; return made[next] end\n"
    )


def _post(path: str, body: str) -> str:
    return (
        f"wrk.method = 'POST'\nwrk.path = '{path}'\nwrk.body = {_quoted(body)}\n"
        f"wrk.headers['Content-Type'] = '{_JSON}'\n"
    )


def _puts(base: str) -> str:
    """Updates with If-Match of the open tasks of one part of the patients, each from version to version."""
    before, after = json.dumps(people.task("@ID@", "@P@")).split("Call within", 1)
    return (
        # wrk calls ``request`` once before it sends anything, to see what kind of requests it makes.
        f"local open, size, part, next = {people.OPEN_TASKS}, {SLICE}, 0, -1\n"
        f"local before, after = {_quoted(before)}, {_quoted(after)}\n"
        "init = function(args) part = tonumber(args[1]) or 0 end\n"
        "request = function()\n"
        "  local sent = math.max(next, 0)\n"
        "  local place, version = part * size + sent % size, 1 + math.floor(sent / size)\n"
        "  local patient = 'p' .. math.floor(place / open)\n"
        "  local id = patient .. '-t' .. place % open\n"
        "  next = next + 1\n"
        "  local text = before .. 'Change ' .. version .. ': call within' .. after\n"
        "  text = text:gsub('@ID@', id):gsub('@P@', patient)\n"
        f"  local headers = {{['Content-Type'] = '{_JSON}', ['If-Match'] = 'W/\"' .. version .. '\"'}}\n"
        f"  return wrk.format('PUT', '{base}/Task/' .. id, headers, text)\n"
        "end\n"
    )


def _quoted(text: str) -> str:
    """A Lua string; JSON without escapes is one between long brackets."""
    return f"[==[{text}]==]"


def write(folder: Path, name: str, operation: str, text: str) -> Path:
    """Keeps a script for wrk."""
    path = folder / f"{operation}-{name}.lua"
    path.write_text(text)
    return path
