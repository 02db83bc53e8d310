"""Carries out batch and transaction Bundles (R4 section 3.1.0.11)."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fhirplan.errors import FhirplanError, InvalidResource, NotSupported
from fhirplan.fhir import codec, outcome
from fhirplan.fhir.codec import Resource
from fhirplan.sandbox import instants, interactions, page, transaction
from fhirplan.sandbox.calls import Asked, Call, Reply, asked, etag
from fhirplan.sandbox.refusals import EntryRefused, status_of
from fhirplan.sandbox.resources import Store
from fhirplan.sandbox.transaction import Entry

METHODS: Final = ("DELETE", "POST", "PUT", "GET")


def process(store: Store, bundle: Resource, base: str, prefer: str = "") -> bytes:
    """The response Bundle, with an entry for each of the request's, in its order.

    A transaction is kept whole or not at all: the first refusal is raised as EntryRefused, which names the entry. In
    a batch each entry stands alone. Raises InvalidResource when it is neither.
    """
    kind = bundle.get("type")
    if bundle["resourceType"] != "Bundle" or kind not in ("transaction", "batch"):
        raise InvalidResource(
            f"Only a Bundle of type transaction or batch is taken here; this is a {bundle['resourceType'][:40]} of "
            f"type {str(kind)[:40]!r}.",
            expression="Bundle.type",
        )
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise InvalidResource("The element entry is no JSON array.", expression="Bundle.entry")
    if kind == "batch":
        return page.bundle("batch-response", [_alone(store, i, item, base, prefer) for i, item in enumerate(listed)])
    entries = [_read(index, item, base, prefer) for index, item in enumerate(listed)]
    replies = transaction.carry_out(store, entries)
    answers = [_response(entry.call, reply) for entry, reply in zip(entries, replies, strict=True)]
    return page.bundle("transaction-response", answers)


def asked_for(bundle: Resource) -> list[Asked]:
    """The interactions that a Bundle's entries ask for, those that cannot be read left out."""
    return [asked(method, url.partition("?")[0].strip("/")) for method, url in _requests(bundle)]


def updated(bundle: Resource) -> list[str]:
    """What a Bundle's entries would change, as Type/id."""
    return [url for method, url in _requests(bundle) if method in ("PUT", "DELETE") and asked(method, url).id]


def _requests(bundle: Resource) -> Iterator[tuple[str, str]]:
    listed = bundle.get("entry", [])
    for item in listed if isinstance(listed, list) else []:
        request = item.get("request") if isinstance(item, dict) else None
        if isinstance(request, dict):
            yield str(request.get("method", "")), str(request.get("url", ""))


def _alone(store: Store, index: int, item: Any, base: str, prefer: str) -> bytes:
    """One entry of a batch, whose refusal is its own answer."""
    try:
        entry = _read(index, item, base, prefer)
        return _response(entry.call, interactions.answer(store, entry.call))
    except FhirplanError as error:
        said = {"status": _status(status_of(error)), "outcome": outcome.outcome(error.issues)}
        return codec.dumps({"response": said})


def _read(index: int, item: Any, base: str, prefer: str) -> Entry:
    """An entry as the call it asks for; raises EntryRefused when it asks for none."""
    request = item.get("request") if isinstance(item, dict) else None
    try:
        if not isinstance(request, dict):
            raise InvalidResource("The element request is missing. Say method and url.", expression="entry.request")
        return Entry(index, _call(item, request, base, prefer), _text(item, "fullUrl"))
    except FhirplanError as error:
        said = request if isinstance(request, dict) else {}
        label = f"{str(said.get('method', ''))[:10]} {str(said.get('url', ''))[:100]}".strip() or "no request"
        raise EntryRefused(index, label, error) from None


def _call(item: dict[str, Any], request: dict[str, Any], base: str, prefer: str) -> Call:
    method, url = _text(request, "method"), _text(request, "url").removeprefix(f"{base}/")
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if method not in METHODS or not path or parts.scheme or parts.netloc or (method == "POST" and "/" in path):
        raise NotSupported(
            f"request is {method[:20]!r} {url[:100]!r}. method is one of {', '.join(METHODS)}; url is relative to the "
            "FHIR base, as Task/t1, and for POST a type only.",
            expression="entry.request",
        )
    resource = item.get("resource")
    if resource is not None and not (isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)):
        raise InvalidResource("The resource has no resourceType.", expression="entry.resource")
    return Call(
        method,
        path,
        base,
        tuple(parse_qsl(parts.query, keep_blank_values=True)),
        resource,
        _text(request, "ifMatch"),
        _text(request, "ifNoneMatch"),
        _text(request, "ifNoneExist"),
        prefer,
    )


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key, "")
    if not isinstance(value, str):
        raise InvalidResource(f"The element {key} is no string.", expression=f"entry.{key}")
    return value


def _response(call: Call, reply: Reply) -> bytes:
    """An entry of the response Bundle: what HTTP would have said, and the resource where it is wanted."""
    said = {"status": _status(reply.status)}
    if reply.version is not None:
        said["etag"] = etag(reply.version)
        said["lastModified"] = instants.text(reply.version.updated)
        said |= {"location": reply.headers["Location"]} if "Location" in reply.headers else {}
    text = codec.dumps({"response": said})
    if reply.body and (call.method == "GET" or "return=representation" in call.prefer):
        return b'{"resource":%s,%s' % (reply.body, text[1:])
    return text


def _status(number: int) -> str:
    return f"{number} {HTTPStatus(number).phrase}"
