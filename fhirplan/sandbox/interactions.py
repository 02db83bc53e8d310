"""Carries out the FHIR interactions on one type or resource: read, create, update, delete, search, history."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from fhirplan.errors import (
    Gone,
    InvalidResource,
    Issue,
    MalformedRequest,
    MultipleMatches,
    NotFound,
    NotSupported,
    VersionMismatch,
)
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.reference import ID
from fhirplan.sandbox import history, query, search
from fhirplan.sandbox.calls import Call, Pairs, Reply, etag, tags, version_reply, written_reply
from fhirplan.sandbox.definitions import TYPES
from fhirplan.sandbox.refusals import IdInUse, WrongMethod
from fhirplan.sandbox.resources import Store, Version


def answer(store: Store, call: Call) -> Reply:
    """The one way from a call to its answer, for HTTP and for the entries of a batch; raises FhirplanError."""
    match call.path.split("/"):
        case ["_history"]:
            _only(call, "GET")
            return Reply(200, history.answer(store, call))
        case [type_]:
            return _on_type(store, call, known(type_))
        case [type_, "_history"]:
            _only(call, "GET")
            return Reply(200, history.answer(store, call, known(type_)))
        case [type_, "_search"]:
            _only(call, "POST")
            return _search(store, call, known(type_))
        case [type_, id_]:
            return _on_instance(store, call, known(type_), id_)
        case [type_, id_, "_history"]:
            _only(call, "GET")
            return Reply(200, history.answer(store, call, known(type_), id_))
        case [type_, id_, "_history", number]:
            _only(call, "GET")
            return vread(store, call, known(type_), id_, number)
    raise NotSupported(f"There is nothing at {call.path!r}. FHIR addresses are Type, Type/id and Type/id/_history.")


def known(type_: str) -> str:
    """The type, when it is served; raises NotSupported (404)."""
    if type_ not in TYPES:
        raise NotSupported(f"The resource type {type_!r} is not served here. Served are: {', '.join(TYPES)}.")
    return type_


def _only(call: Call, *allowed: str) -> None:
    if call.method not in allowed:
        raise WrongMethod(f"{call.method} is not possible at {call.path!r}. Use {' or '.join(allowed)}.", allowed)


def _on_type(store: Store, call: Call, type_: str) -> Reply:
    _only(call, "GET", "POST", "PUT")
    if call.method == "GET":
        return _search(store, call, type_)
    if call.method == "POST":
        return create(store, call, type_)
    with store.transaction():
        return update(store, call, type_, conditional_id(store, call, type_))


def _on_instance(store: Store, call: Call, type_: str, id_: str) -> Reply:
    _only(call, "GET", "PUT", "DELETE")
    if call.method == "GET":
        return read(store, call, type_, id_)
    if call.method == "PUT":
        return update(store, call, type_, id_)
    return delete(store, call, type_, id_)


def _search(store: Store, call: Call, type_: str) -> Reply:
    return Reply(200, search.answer(store, query.read(type_, call.pairs, call.base), call.pairs))


def read(store: Store, call: Call, type_: str, id_: str) -> Reply:
    """The current version; 304 when If-None-Match names it; raises NotFound, Gone."""
    version = living(store, type_, id_)
    if call.if_none_match and {"*", str(version.number)} & set(tags(call.if_none_match, "If-None-Match")):
        return Reply(304, b"", version_reply(call, 304, version).headers, version)
    return version_reply(call, 200, version)


def living(store: Store, type_: str, id_: str) -> Version:
    """The current version of a resource that is there; raises NotFound, Gone."""
    version = store.latest(type_, id_)
    if version is None:
        raise NotFound(f"There is no {type_} with the id {id_[:70]}.")
    if version.body is None:
        raise Gone(f"{version.key} was deleted. Its earlier versions are at {version.key}/_history.")
    return version


def vread(store: Store, call: Call, type_: str, id_: str, number: str) -> Reply:
    """One version; raises NotFound, and Gone where that version is the deletion."""
    version = store.version(type_, id_, int(number)) if number.isdecimal() and len(number) < 10 else None
    if version is None:
        raise NotFound(f"There is no version {number[:40]} of {type_}/{id_[:70]}.")
    if version.body is None:
        raise Gone(f"Version {number} of {version.key} is its deletion.")
    return version_reply(call, 200, version)


def create(store: Store, call: Call, type_: str) -> Reply:
    """A new resource under a new id (201), or the one that If-None-Exist found (200); raises MultipleMatches."""
    resource = checked(call.resource, type_)
    with store.transaction():
        if call.if_none_exist:
            found = only_match(store, call, type_, header_pairs(call.if_none_exist), "If-None-Exist")
            if found:
                return written_reply(call, 200, living(store, type_, found))
        return written_reply(call, 201, store.write("POST", 201, store.new_id(), resource))


def header_pairs(text: str) -> Pairs:
    """The search parameters of an If-None-Exist header."""
    return tuple(parse_qsl(text.lstrip("?"), keep_blank_values=True))


def only_match(store: Store, call: Call, type_: str, pairs: Pairs, what: str) -> str:
    """The id of the one resource that fits the conditions, "" when none does; raises MultipleMatches."""
    found = search.ids(store, query.criteria(type_, pairs, call.base))
    if len(found) > 1:
        raise MultipleMatches(f"{what} fits more than one {type_}. Make its conditions narrower.")
    return found[0] if found else ""


def conditional_id(store: Store, call: Call, type_: str) -> str:
    """The id that a conditional update is for: of the one match, else the body's own, else a new one."""
    pairs = tuple(pair for pair in call.pairs if pair[0] not in query.IGNORED)
    found = only_match(store, call, type_, pairs, "The search of this conditional update")
    own = checked(call.resource, type_).get("id")
    if not found and own and store.latest(type_, str(own)):
        raise IdInUse(f"The search finds no {type_}, and the id {str(own)[:70]} in the body is another one's.")
    return found or str(own or store.new_id())


def update(store: Store, call: Call, type_: str, id_: str) -> Reply:
    """A new version (200), or the first one under this id (201); raises VersionMismatch when If-Match is stale."""
    resource = checked(call.resource, type_)
    conditional = "/" not in call.path
    if resource.get("id", id_ if conditional else None) != id_:
        raise MalformedRequest(
            Issue(
                "error",
                "invalid",
                f"The body's id is {str(resource.get('id'))[:70]!r}, the address's is {id_[:70]!r}. Make them equal.",
                f"{type_}.id",
            )
        )
    with store.transaction():
        latest = store.latest(type_, id_)
        _must_match(call, latest, f"{type_}/{id_}")
        status = 200 if latest and latest.body is not None else 201
        return written_reply(call, status, store.write("PUT", status, _valid_id(type_, id_), resource))


def delete(store: Store, call: Call, type_: str, id_: str) -> Reply:
    """Gone from now on (204); so is what is gone already or never was (R4 section 3.1.0.7)."""
    with store.transaction():
        latest = store.latest(type_, id_)
        _must_match(call, latest, f"{type_}/{id_}")
        if latest is None or latest.body is None:
            return Reply(204)
        gone = store.delete(type_, id_)
        return Reply(204, b"", {"ETag": etag(gone)}, gone)


def _must_match(call: Call, latest: Version | None, key: str) -> None:
    if not call.if_match:
        return
    wanted = tags(call.if_match, "If-Match")
    current = latest if latest and latest.body is not None else None
    if current is None or not {"*", str(current.number)} & set(wanted):
        has = f"is at version {current.number}" if current else "does not exist"
        raise VersionMismatch(f"{key} {has}; If-Match asks for {call.if_match[:40]}. Read it again, then send again.")


def _valid_id(type_: str, id_: str) -> str:
    if not ID.fullmatch(id_):
        raise MalformedRequest(
            Issue(
                "error",
                "value",
                f"The id {id_[:70]!r} is none. An id has 1 to 64 letters, digits, hyphens and full stops.",
                f"{type_}.id",
            )
        )
    return id_


_NO_BODY: Final = "The body is empty. Send the resource as FHIR JSON."


def checked(resource: Resource | None, type_: str) -> Resource:
    """The resource, when it is one of this type with a well-formed meta; raises MalformedRequest, InvalidResource."""
    if resource is None:
        raise MalformedRequest(_NO_BODY)
    if resource["resourceType"] != type_:
        raise InvalidResource(
            f"The body's resourceType is {resource['resourceType'][:40]!r} and the address is for {type_}. "
            "Send it to its own type.",
            expression="resourceType",
        )
    if not isinstance(resource.get("meta", {}), dict):
        raise InvalidResource("The element meta is no JSON object.", expression=f"{type_}.meta")
    return resource
