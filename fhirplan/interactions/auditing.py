"""Notes who read what, and shows accesses and changes as AuditEvents (R4 section 6.1, AuditEvent)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from fhirplan.access.decide import PUBLIC, limits
from fhirplan.errors import InvalidSearch, NotFound
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant, span
from fhirplan.fhir.reference import parse
from fhirplan.interactions.address import AUDIT
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import audit
from fhirplan.store.audit import Access, Action
from fhirplan.store.engine import Transaction

# Changes are kept by their own transaction; what shows only definitions shows nothing of anybody.
_CHANGES: Final = frozenset({"create", "update", "patch", "delete", "meta-add", "meta-delete", "bundle", "break-glass"})
_READS: Final = frozenset({"read", "vread", "history-instance", "audit-read"})
_WHOSE: Final = frozenset({"patient", "subject", "for", "beneficiary"})
_PATIENT: Final = re.compile(r"(?:Patient/)?([A-Za-z0-9\-.]{1,64})")
_DATE: Final = re.compile(r"(eq|ge|le|gt|lt|sa|eb)?(.+)", re.DOTALL)
_LONGEST: Final = 2000
_EDGE: Final = 2**62
_REST: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SUBTYPE: Final = "http://hl7.org/fhir/restful-interaction"


def note(services: Services, asked: Interaction, reply: Reply) -> None:
    """Has an access kept: each read, search and operation, and each change that was refused."""
    if services.accesses is None or asked.kind in PUBLIC or (asked.kind in _CHANGES and reply.status < 400):
        return
    refused = reply.status >= 400
    grant = asked.actor.grant if asked.actor else None
    services.accesses.note(
        audit.entry(
            services.clock(),
            asked.connection,
            asked.actor.id if asked.actor else "",
            _action(asked.kind),
            asked.type or None,
            asked.id or None,
            reply.version or None,
            asked.request_id,
            (reply.issues[0].code if reply.issues else "failure") if refused else "success",
            patient=_patient(asked),
            address=asked.address,
            kind=asked.kind,
            query=_query(asked),
            client=grant.client if grant else "",
            grant=grant.id if grant else "",
        )
    )


def _query(asked: Interaction) -> str:
    """The query as it is kept; none where somebody may have put a token into it by mistake."""
    if not asked.parameters or asked.kind == "access-explain":
        return ""
    return "&".join([f"{_quoted(name)}={_quoted(text)}" for name, text in asked.parameters])[:_LONGEST]


# The same names and values are asked for again and again; no more are remembered than are worth it.
_quoted: Final = lru_cache(maxsize=1024)(quote_plus)


def _action(kind: str) -> Action:
    if kind in _READS:
        return "R"
    return "C" if kind == "create" else "D" if kind == "delete" else "U" if kind in ("update", "patch") else "E"


def _patient(asked: Interaction) -> str:
    """The patient that the request itself names; of what is read by its address it is looked up later."""
    if asked.kind == "search-compartment" or (asked.type == "Patient" and asked.id):
        return asked.id
    for name, text in asked.parameters:
        found = _PATIENT.fullmatch(text) if name in _WHOSE else None
        if found:
            return found[1]
    return ""


def audit_read(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with one AuditEvent; raises NotFound."""
    refuse_parameters(interaction)
    number = interaction.id
    row = audit.one(tx, interaction.connection, int(number)) if number.isdigit() and len(number) < 19 else None
    if row is None or not _may_see(services, interaction, "r", row.patient):
        raise NotFound(f"There is no AuditEvent/{interaction.id} here. Search by patient or date.")
    return Reply(200, dumps(event(row)))


def audit_search(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with a page of AuditEvents, newest first, by ``patient`` and ``date``; raises InvalidSearch.

    What was read in the last half second may still be on its way.
    """
    given, low, high = _criteria(interaction)
    only = _whose(services, interaction, given)
    if only is None:
        return Reply(200, searchset(interaction.base, (), [("self", _link(interaction, interaction.parameters))]))
    settings = services.settings
    count = min(_number(given, "_count", settings.default_count), settings.max_count)
    before = _number(given, "_page", _EDGE)
    found = audit.found(tx, interaction.connection, patient=only, low=low, high=high, before=before, count=count + 1)
    page = found[:count]
    links = [("self", _link(interaction, interaction.parameters))]
    if len(found) > count and page:
        kept = [pair for pair in interaction.parameters if pair[0] != "_page"]
        links.append(("next", _link(interaction, (*kept, ("_page", str(page[-1].aid))))))
    listed = (("AuditEvent", str(row.aid), dumps(event(row))) for row in page)
    return Reply(200, searchset(interaction.base, listed, links))


def _criteria(interaction: Interaction) -> tuple[dict[str, str], int, int]:
    """What is asked for by name, and the span of time in ms."""
    refuse_parameters(interaction, "patient", "date", "_count", "_page")
    given: dict[str, str] = {}
    low, high = -_EDGE, _EDGE
    for name, text in interaction.parameters:
        if name == "date":
            first, last = _bounds(text)
            low, high = max(low, first), min(high, last)
        elif name in given:
            raise InvalidSearch(f"{name} is given twice. Give it once.", expression=name)
        else:
            given[name] = text
    return given, low, high


def _whose(services: Services, interaction: Interaction, given: Mapping[str, str]) -> str | None:
    """The patient whose accesses are listed, "" for everybody's; None where the caller may see none of them."""
    patient = _PATIENT.fullmatch(given.get("patient", "x"))
    if patient is None:
        raise InvalidSearch("patient is no id such as Patient/p1.", expression="patient")
    only = patient[1] if "patient" in given else ""
    if _may_see(services, interaction, "s", only):
        return only
    own = _patients(interaction, "s")
    return own[0] if not only and len(own) == 1 else None


def _may_see(services: Services, asked: Interaction, letter: str, patient: str) -> bool:
    """Whether the caller may see accesses to the record of this patient; of "", to any record.

    A scope with conditions shows none: an access has nothing that they could be asked of.
    """
    if services.settings.auth == "open" or (asked.actor is not None and asked.actor.grant is None):
        return True
    own = _patients(asked, letter)
    return "" in own or (bool(patient) and patient in own)


def _patients(asked: Interaction, letter: str) -> list[str]:
    """Whose accesses the caller may see, "" for everybody's."""
    found = limits(asked.actor, AUDIT, letter) if asked.actor is not None else ()
    return list(dict.fromkeys(item.patient for item in found if not item.query))


def _bounds(text: str) -> tuple[int, int]:
    """The times, in ms, that a date with its prefix allows, without the last."""
    read = _DATE.fullmatch(text)
    wanted = span(read[2].replace(" ", "+")) if read else None
    if read is None or wanted is None:
        raise InvalidSearch(f"date={text[:40]!r} is no date such as ge2026-03-09.", expression="date")
    match read[1]:
        case "ge":
            return wanted.low, _EDGE
        case "gt" | "sa":
            return wanted.high, _EDGE
        case "le":
            return -_EDGE, wanted.high
        case "lt" | "eb":
            return -_EDGE, wanted.low
        case _:
            return wanted.low, wanted.high


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise InvalidSearch(f"{name} is {text[:40]!r}; it is a whole number.", expression=name)
    return min(int(text), _EDGE)


def _link(interaction: Interaction, pairs: Any) -> str:
    own = f"{interaction.base}/AuditEvent"
    return f"{own}?{urlencode(list(pairs), quote_via=quote)}" if pairs else own


def event(row: Access) -> dict[str, Any]:
    """The AuditEvent of an access: who, what, when, from where, and how it ended."""
    person = parse(row.actor)
    who = {"reference": row.actor} if person is not None else {"display": row.actor or "unknown"}
    agent: dict[str, Any] = {"who": who, "requestor": True}
    if row.address:
        agent["network"] = {"address": row.address, "type": "2"}
    agents = [agent]
    if row.client:
        agents.append({"who": {"identifier": {"value": row.client}}, "altId": row.client, "requestor": False})
    if row.grant:
        agent["policy"] = [f"urn:fhirplan:grant:{row.grant}"]
    made: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(row.aid),
        "type": {"system": _REST, "code": "rest"},
        "action": row.action,
        "recorded": instant(row.at),
        "outcome": "0" if row.outcome == "success" else "8" if row.outcome == "exception" else "4",
        "agent": agents,
        "source": {"observer": {"display": "fhirplan"}},
    }
    if row.kind:
        made["subtype"] = [{"system": _SUBTYPE, "code": _code(row.kind)}]
    if row.kind == "break-glass" and row.query:
        made["purposeOfEvent"] = [{"coding": [{"system": _REASON, "code": "BTG"}], "text": row.query}]
    if row.outcome != "success":
        made["outcomeDesc"] = row.outcome
    made["entity"] = _entities(row)
    return {name: value for name, value in made.items() if value != []}


def _code(kind: str) -> str:
    """What R4's ValueSet restful-interaction calls an interaction."""
    named = {"audit-read": "read", "audit-search": "search-type", "search-compartment": "search-type"}
    return "operation" if kind in OPERATIONS else "transaction" if kind == "bundle" else named.get(kind, kind)


def _entities(row: Access) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"what": {"identifier": {"value": row.request_id}}, "name": "request"}]
    if row.type and row.id:
        version = f"/_history/{row.version}" if row.version else ""
        made.append({"what": {"reference": f"{row.type}/{row.id}{version}"}})
    elif row.type or row.query:
        searched = base64.b64encode(f"{row.type or ''}?{row.query}".encode()).decode()
        made.append({"query": searched})
    if row.patient and (row.type, row.id) != ("Patient", row.patient):
        made.append({"what": {"reference": f"Patient/{row.patient}"}})
    return made
