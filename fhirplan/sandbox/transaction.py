"""Carries out the entries of a transaction, all or none (R4 section 3.1.0.11.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.errors import FhirplanError, InvalidResource, Issue, MultipleMatches
from fhirplan.fhir import reference
from fhirplan.sandbox import interactions
from fhirplan.sandbox.calls import Call, Reply, version_reply
from fhirplan.sandbox.refusals import EntryRefused
from fhirplan.sandbox.resources import Store

_CONDITIONAL: Final = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?(?P<query>.+)")
_PLACEHOLDERS: Final = ("urn:uuid:", "urn:oid:")


@dataclass(slots=True)
class Entry:
    """One entry on its way: the call it asks for, the id its resource has or will have, and the answer once there.

    ``exists`` says that its ifNoneExist found the resource, so that nothing is to be created.
    """

    index: int
    call: Call
    full_url: str = ""
    id: str = ""
    exists: bool = False
    reply: Reply | None = None

    @property
    def type(self) -> str:
        """The resource type that the call is about."""
        return self.call.path.partition("/")[0]

    @property
    def key(self) -> str:
        """Type and id of the resource."""
        return f"{self.type}/{self.id}"


@contextmanager
def _naming(entry: Entry) -> Iterator[None]:
    """Whatever is refused inside is refused with the entry's name."""
    try:
        yield
    except FhirplanError as error:
        raise EntryRefused(entry.index, f"{entry.call.method} {entry.call.path}", error) from None


def carry_out(store: Store, entries: list[Entry]) -> list[Reply]:
    """The answers, in the order of the entries; deletions come first, then creates, updates and reads.

    Raises EntryRefused, having changed nothing, at the first entry that cannot be carried out.
    """
    deletes, creates, updates, reads = (
        [entry for entry in entries if entry.call.method == method] for method in ("DELETE", "POST", "PUT", "GET")
    )
    with store.transaction():
        for entry in deletes:
            _answer(store, entry)
        _identify_creates(store, creates)
        _identify_updates(store, updates)
        _refuse_twice([*deletes, *updates])
        _link([*creates, *updates])
        for entry in creates:
            _create(store, entry)
        for entry in updates:
            _answer(store, entry)
        for entry in (*creates, *updates):
            _resolve_conditional(store, entry)
        for entry in reads:
            _answer(store, entry)
    return [entry.reply for entry in entries if entry.reply is not None]


def _answer(store: Store, entry: Entry) -> None:
    with _naming(entry):
        entry.reply = interactions.answer(store, entry.call)


def _create(store: Store, entry: Entry) -> None:
    with _naming(entry):
        if entry.exists:
            call = Call("GET", entry.key, entry.call.base)
            found = interactions.answer(store, call)
            entry.reply = replace(found, headers=dict(found.headers) | {"Location": f"{call.base}/{entry.key}"})
        else:
            resource = interactions.checked(entry.call.resource, entry.type)
            entry.reply = version_reply(entry.call, 201, store.write("POST", 201, entry.id, resource), location=True)


def _identify_creates(store: Store, creates: list[Entry]) -> None:
    """Finds or makes the id of each; two entries with the same ifNoneExist are one resource."""
    same: dict[tuple[str, str], str] = {}
    for entry in creates:
        with _naming(entry):
            interactions.checked(entry.call.resource, interactions.known(entry.type))
            key = (entry.type, entry.call.if_none_exist)
            if entry.call.if_none_exist:
                pairs = interactions.header_pairs(entry.call.if_none_exist)
                entry.id = same.get(key) or interactions.only_match(store, entry.call, entry.type, pairs, "ifNoneExist")
                entry.exists = bool(entry.id)
            entry.id = same[key] = entry.id or store.new_id()


def _identify_updates(store: Store, updates: list[Entry]) -> None:
    """The id of each; a conditional update becomes an update of the resource it found."""
    for entry in updates:
        with _naming(entry):
            entry.id = entry.call.path.partition("/")[2]
            if not entry.id:
                entry.id = interactions.conditional_id(store, entry.call, interactions.known(entry.type))
                resource = {"id": entry.id, **interactions.checked(entry.call.resource, entry.type)}
                entry.call = replace(entry.call, path=entry.key, pairs=(), resource=resource)


def _refuse_twice(entries: Iterable[Entry]) -> None:
    first: dict[str, int] = {}
    for entry in entries:
        path = entry.call.path
        with _naming(entry):
            if path in first:
                raise InvalidResource(
                    f"Bundle.entry[{first[path]}] changes {path} too. A transaction may change a resource once only."
                )
        first[path] = entry.index


def _link(writes: list[Entry]) -> None:
    """Replaces references to the fullUrl of an entry by the address its resource has here."""
    known: dict[str, str] = {}
    for entry in writes:
        if entry.full_url:
            known[entry.full_url] = entry.key
            placeholder = reference.parse(entry.full_url)
            if placeholder and entry.call.method == "POST":
                known[placeholder.local] = entry.key
    for entry in writes:
        if entry.call.resource is not None:
            entry.call = replace(entry.call, resource=reference.rewrite(entry.call.resource, known.get))
            _refuse_dangling(entry)


def _refuse_dangling(entry: Entry) -> None:
    for path, element in reference.walk(entry.call.resource):
        if element["reference"].startswith(_PLACEHOLDERS):
            text = f"The reference {element['reference'][:100]!r} is no entry's fullUrl."
            with _naming(entry):
                raise InvalidResource(Issue("error", "not-found", text, path))


def _resolve_conditional(store: Store, entry: Entry) -> None:
    """Replaces references such as ``Patient?identifier=s|v`` by the one resource they find, new ones included."""
    if entry.exists or entry.reply is None or entry.reply.version is None or entry.call.resource is None:
        return
    found: dict[str, str] = {}
    with _naming(entry):
        for _, element in reference.walk(entry.call.resource):
            wanted = _CONDITIONAL.fullmatch(element["reference"])
            if wanted:
                found[element["reference"]] = _only_target(store, entry.call, wanted["type"], wanted["query"])
    if found:
        amended = store.amend(entry.reply.version, reference.rewrite(entry.call.resource, found.get))
        entry.reply = version_reply(entry.call, entry.reply.status, amended, location=True)


def _only_target(store: Store, call: Call, type_: str, text: str) -> str:
    pairs = interactions.header_pairs(text)
    id_ = interactions.only_match(store, call, interactions.known(type_), pairs, f"The reference to {type_}")
    if not id_:
        raise MultipleMatches(f"The conditional reference to {type_} finds nothing. It must find exactly one resource.")
    return f"{type_}/{id_}"
