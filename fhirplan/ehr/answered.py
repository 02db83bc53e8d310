"""Reads what an EHR answered: the resource in it, the EHR's copy, where a write landed, and what a history tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from fhirplan.ehr import failures
from fhirplan.ehr.transport import Answer
from fhirplan.errors import EhrRejected, EhrUnavailable, MalformedRequest, TooCostly
from fhirplan.fhir import codec, reference
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import last_updated, version_id

_LOCATION: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class RemoteCopy:
    """A resource as the EHR holds it; ``version`` and ``updated`` are "" where the EHR does not tell."""

    type: str
    id: str
    version: str
    updated: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class Written:
    """A write that the EHR took: where it is now, and the EHR's copy when it sent one back.

    ``existed`` is true when a conditional create found the resource already there.
    """

    type: str
    id: str
    version: str
    updated: str
    resource: Resource | None
    existed: bool = False


def body(answer: Answer, method: str, type_: str) -> Resource:
    """The resource of that type in a successful answer; raises EhrUnavailable for anything else."""
    if not answer.body.strip():
        raise failures.not_understood(method, "nothing")
    if "html" in answer.headers.get("Content-Type", "").lower():
        raise failures.not_understood(method, "an HTML page")
    try:
        value = codec.loads(answer.body)
    except (MalformedRequest, TooCostly):
        raise failures.not_understood(method, "something that is not JSON we can read") from None
    found = value.get("resourceType") if isinstance(value, dict) else None
    if found == "OperationOutcome" and type_ != found:
        raise _refused_with_200(method, answer, value)
    if not isinstance(value, dict) or found != type_:
        raise failures.not_understood(method, f"no {type_}")
    return value


def _refused_with_200(method: str, answer: Answer, said: Resource) -> EhrRejected | EhrUnavailable:
    """A success that carries only an OperationOutcome: for a read it is a refusal, for a write nobody can tell."""
    if method != "GET":
        return failures.not_understood(method, "an OperationOutcome")
    return EhrRejected(
        f"The EHR answered HTTP {answer.status} with an OperationOutcome instead of what was asked for.",
        status=answer.status,
        outcome=said,
    )


def answered_copy(resource: Resource, answer: Answer) -> RemoteCopy:
    """A resource that was answered as the EHR's copy; its version may stand in the ETag alone."""
    copy = remote_copy(resource)
    return copy if copy.version else replace(copy, version=_etag(answer))


def remote_copy(resource: Resource) -> RemoteCopy:
    """A resource of a search page as the EHR's copy."""
    return RemoteCopy(
        str(resource["resourceType"]),
        str(resource.get("id") or ""),
        version_id(resource),
        last_updated(resource),
        resource,
    )


def written(answer: Answer, method: str, sent: Resource) -> Written:
    """Where a write landed, by the copy sent back, or by Location and ETag when the EHR sends none (R4 3.1.0.8)."""
    type_ = str(sent["resourceType"])
    existed = method == "POST" and answer.status == 200
    failures.check_taken(answer.status, answer.body)
    if answer.body.strip() and failures.operation_outcome(answer.body) is None:
        copy = answered_copy(body(answer, method, type_), answer)
        if not copy.id or (method == "PUT" and copy.id != sent["id"]):
            raise failures.not_understood(method, f"a {type_} with another id")
        return Written(type_, copy.id, copy.version, copy.updated, copy.resource, existed)
    place = placed(answer.headers.get("Location") or answer.headers.get("Content-Location") or "")
    id_ = str(sent["id"]) if method == "PUT" else place.id if place and place.type == type_ else ""
    if not id_:
        raise failures.not_understood(method, "neither the resource nor its Location")
    return Written(type_, id_, _etag(answer) or (place.version if place else ""), "", None, existed)


def placed(location: str) -> reference.Reference | None:
    """What a Location names, which may be a URL or a path."""
    found = _LOCATION.search(location)
    return reference.parse(found[0]) if found else None


def _etag(answer: Answer) -> str:
    return version_of(answer.headers.get("ETag", ""))


def version_of(etag: str) -> str:
    """The version that an ETag names, "" for none."""
    found = _ETAG.fullmatch(etag.strip())
    return found[1] if found else ""


def changes(bundle: Resource, type_: str) -> Iterator[tuple[str, str]]:
    """(id, method) of each change of a type in a page of its history."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict):
            continue
        method, url = str(request.get("method") or ""), str(request.get("url") or "")
        resource = entry.get("resource")
        named = resource.get("id") if isinstance(resource, dict) else None
        found = reference.parse(url)
        if isinstance(named, str):
            yield named, method
        elif found and found.type == type_:
            yield found.id, method
