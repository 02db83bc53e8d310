"""Shows what was found as one EHR shows it: elements left out, entries repeated or capped, remarks among them."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.errors import Issue
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.codec import Resource
from fhirplan.sandbox import page, query, search
from fhirplan.sandbox.asking import Remark
from fhirplan.sandbox.calls import Call
from fhirplan.sandbox.persona import Offer, Persona
from fhirplan.sandbox.query import CURSOR
from fhirplan.sandbox.refusals import coded
from fhirplan.sandbox.resources import Store

_DIV: Final = '<div xmlns="http://www.w3.org/1999/xhtml">'


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a search was made: whose EHR, what it offers for the type, and the search itself in our own words."""

    store: Store
    persona: Persona
    offer: Offer
    call: Call


def resource(offer: Offer, body: bytes) -> bytes:
    """A resource's JSON without what this EHR never shows."""
    return codec.dumps(_veiled(offer, codec.loads(body))) if offer.hidden and body else body


def searchset(shelf: Shelf, type_: str, body: bytes, remarks: tuple[Remark, ...]) -> bytes:
    """The page of a search as this EHR gives it."""
    bundle = codec.loads(body)
    entries = _matches_again(shelf, type_) + bundle.pop("entry", [])
    entries = [entry for entry in entries if not _is_left_out(shelf.offer, entry)]
    links = bundle.pop("link", [])
    said = list(remarks)
    left = _left_of_cap(shelf, type_, bundle.get("total"))
    if left is not None and len(entries) >= left:
        entries, links = entries[:left], [link for link in links if link["relation"] != "next"]
        said.append(Remark("There are more results than one search gives. Narrow it.", _code(shelf, "capped")))
    if shelf.offer.left_out or left is not None:
        bundle.pop("total", None)
    bundle["link"] = [{**link, "url": _renamed(shelf.persona, link["url"])} for link in links]
    shown = [{**entry, "resource": _shown(shelf, entry["resource"])} for entry in entries]
    shown += remark_entries(shelf.persona, said)
    return codec.dumps({**bundle, "entry": shown} if shown else bundle)


def remark_entries(persona: Persona, remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    """Remarks as the entries of a searchset."""
    return [{"resource": remark_outcome(persona, remark), "search": {"mode": "outcome"}} for remark in remarks]


def remark_outcome(persona: Persona, remark: Remark, severity: str = "warning") -> Resource:
    """A remark as an OperationOutcome, with the EHR's own code where it has one."""
    made = outcome.outcome([Issue("warning", "informational", remark.text)])
    for issue in made["issue"]:
        issue["severity"] = severity
        if remark.code:
            coded(issue, persona.code_system, remark.code)
    return made


def _code(shelf: Shelf, meaning: str) -> str:
    return shelf.persona.code(meaning, shelf.offer.family)


def _matches_again(shelf: Shelf, type_: str) -> list[dict[str, Any]]:
    """The last resource of the page before, where this EHR repeats it."""
    cursor = query.read(type_, shelf.call.pairs, shelf.call.base).cursor if shelf.persona.repeats else None
    if cursor is None:
        return []
    base = page.quoted(shelf.call.base)
    found = shelf.store.versions("seq = ?", (cursor.last,))
    return [codec.loads(page.search_entry(base, version, b"match")) for version in found]


def _left_of_cap(shelf: Shelf, type_: str, total: Any) -> int | None:
    """How many more results this EHR gives, None when the cap is not reached."""
    cap = shelf.persona.cap
    if cap is None or not isinstance(total, int) or total <= cap:
        return None
    wanted = query.read(type_, shelf.call.pairs, shelf.call.base)
    cursor = wanted.cursor
    return cap if cursor is None else max(cap - search.count(shelf.store, wanted, cursor.snapshot, cursor.last), 0)


def _is_left_out(offer: Offer, entry: dict[str, Any]) -> bool:
    return any(name in entry["resource"] for name in offer.left_out)


def _shown(shelf: Shelf, found: Resource) -> Resource:
    offer = shelf.persona.types.get(found["resourceType"])
    return _veiled(offer, found) if offer else found


def _veiled(offer: Offer, found: Resource) -> Resource:
    """A copy without the hidden elements, whose content the narrative tells instead."""
    hidden = [name for name in offer.hidden if name in found]
    if not hidden:
        return found
    lines = [line for name in hidden for line in _lines(found[name])]
    kept = {key: value for key, value in found.items() if key not in hidden}
    text = kept.get("text")
    written = text.get("div") if isinstance(text, dict) else None
    if not isinstance(written, str) or not written.endswith("</div>"):
        written = f"{_DIV}</div>"
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    told = f"{written.removesuffix('</div>')}<ul>{items}</ul></div>" if items else written
    status = text.get("status", "generated") if isinstance(text, dict) else "generated"
    kept["text"] = {"status": status, "div": told}
    return kept


def _lines(activities: Any) -> Iterable[str]:
    """What a CarePlan's activities are, a line each."""
    for activity in activities if isinstance(activities, list) else []:
        parts = activity if isinstance(activity, dict) else {}
        pointed, detail = parts.get("reference"), parts.get("detail")
        if isinstance(pointed, dict):
            yield str(pointed.get("display") or pointed.get("reference") or "")
        elif isinstance(detail, dict):
            code = detail.get("code")
            yield str(detail.get("description") or (code.get("text") if isinstance(code, dict) else "") or "")


def _renamed(persona: Persona, url: str) -> str:
    return url.replace(f"?{CURSOR}=", f"?{persona.page}=").replace(f"&{CURSOR}=", f"&{persona.page}=")
