"""FHIR interactions with one EHR: metadata, read, search, history, create, update, delete, transaction (R4 3.1.0)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Self
from urllib.parse import quote

from fhirplan.ehr import failures, paging
from fhirplan.ehr.answered import RemoteCopy, Written, answered_copy, body, changes, written
from fhirplan.ehr.budget import Urgency
from fhirplan.ehr.discovery import Capabilities, capabilities
from fhirplan.ehr.tape import Exchange, recording
from fhirplan.ehr.transport import Answer, Transport, transport
from fhirplan.errors import EhrRejected, EhrUnavailable
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Resource
from fhirplan.settings import Connection

CAPABILITY_AGE: Final = 3600.0


class EhrClient:
    """One EHR's FHIR API over one transport; a context manager that closes the transport.

    Every method raises EhrUnavailable, EhrRejected or EhrVersionMismatch as ``failures`` maps them.
    """

    def __init__(self, via: Transport, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._via = via
        self._clock = clock
        self._known: Capabilities | None = None
        self._asked = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._via.close()

    @property
    def base(self) -> str:
        """The EHR's FHIR base, without a slash at its end."""
        return self._via.base

    @property
    def calls(self) -> int:
        """How many requests were made."""
        return self._via.counts.calls

    def twin(self) -> EhrClient:
        """One more client of the same EHR, for another thread; it begins with what this one knows of it."""
        made = EhrClient(self._via.twin(), clock=self._clock)
        made._known, made._asked = self._known, self._asked
        return made

    def matters(self, urgency: Urgency) -> None:
        """Says for whose sake the next calls are, which decides who goes first where calls have to wait."""
        self._via.urgency = urgency

    @property
    def errors(self) -> int:
        """How many requests came to nothing: no answer, one that broke off, a 429 or a 5xx."""
        return self._via.counts.errors

    def forget(self) -> None:
        """Forgets what the EHR offers, so that it is asked again."""
        self._known = None

    def observe(self, keep: Callable[[Exchange], None]) -> None:
        """Has each exchange told, also those of later twins; tokens are no part of it."""
        recording(self._via, keep)

    @property
    def renews(self) -> bool:
        """Whether a token that is not accepted is renewed."""
        return self._via.renews

    def capabilities(self, *, max_age: float = CAPABILITY_AGE) -> Capabilities:
        """What the EHR offers, asked for again when what we know is older than ``max_age`` seconds."""
        if self._known is None or self._clock() - self._asked > max_age:
            self._known = capabilities(self._resource("metadata", "CapabilityStatement"))
            self._asked = self._clock()
        return self._known

    def read(self, type_: str, id_: str) -> RemoteCopy | None:
        """The EHR's current copy, or None when it answers 404 or 410."""
        try:
            answer = self._get(_address(type_, id_))
        except EhrRejected as error:
            if error.status in (404, 410):
                return None
            raise
        resource = body(answer, "GET", type_)
        if type_ == "Patient" and resource.get("id") not in (None, id_):
            # Two records that were merged: it is a matter of this patient only.
            raise EhrRejected("The EHR answers for this Patient with another one, as where it merged two.", status=200)
        if resource.get("id") != id_:
            raise failures.not_understood("GET", f"another {type_} than was asked for")
        return answered_copy(resource, answer)

    def search(self, type_: str, params: Mapping[str, str]) -> Iterator[paging.Page]:
        """The pages of a search, each fetched when it is asked for."""
        first = body(self._get(type_, params), "GET", "Bundle")
        return paging.pages(first, type_, lambda url: body(self._get(url), "GET", "Bundle"))

    def type_history(self, type_: str, since: str) -> Iterator[tuple[str, str]]:
        """(id, method) of each change of a type since an instant, newest first (R4 section 3.1.0.12)."""
        url, followed = f"{type_}/_history", set[str]()
        params: Mapping[str, str] | None = {"_since": since, "_count": "200"}
        while url:
            bundle = body(self._get(url, params), "GET", "Bundle")
            yield from changes(bundle, type_)
            url, params = paging.next_link(bundle), None
            if url in followed:
                raise EhrUnavailable("The EHR's history goes round in a circle.")
            followed.add(url)

    def create(self, resource: Resource, *, if_none_exist: str = "") -> Written:
        """Creates a resource; ``if_none_exist`` is a search (``identifier=system|value``) that must find nothing."""
        headers = {"Prefer": "return=representation"}
        if if_none_exist:
            headers["If-None-Exist"] = if_none_exist
        return self._write("POST", str(resource["resourceType"]), resource, headers)

    def update(self, resource: Resource, *, if_match: str = "") -> Written:
        """Replaces the EHR's copy of ``resource["id"]``; ``if_match`` is the version it is meant for."""
        headers = {"Prefer": "return=representation"}
        if if_match:
            headers["If-Match"] = f'W/"{if_match}"'
        return self._write("PUT", _address(str(resource["resourceType"]), str(resource["id"])), resource, headers)

    def delete(self, type_: str, id_: str, *, if_match: str = "") -> None:
        """Deletes the EHR's copy; one that is already gone is as good as deleted."""
        headers = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        answer = self._via.write("DELETE", _address(type_, id_), None, headers)
        if answer.status >= 300 and answer.status not in (404, 410):
            raise failures.of_status("DELETE", answer.status, answer.headers, answer.body)
        failures.check_taken(answer.status, answer.body)

    def transact(self, bundle: Resource) -> Resource:
        """The response to a transaction Bundle, which took effect as a whole (R4 section 3.1.0.11.2)."""
        headers = {"Prefer": "return=representation"}
        answer = self._via.write("POST", self.base, codec.dumps(bundle), headers)
        if answer.status >= 300:
            raise failures.of_status("POST", answer.status, answer.headers, answer.body)
        return body(answer, "POST", "Bundle")

    def _get(self, address: str, params: Mapping[str, str] | None = None) -> Answer:
        answer = self._via.get(address, params)
        if answer.status >= 300:
            raise failures.of_status("GET", answer.status, answer.headers, answer.body)
        return answer

    def _resource(self, address: str, type_: str) -> Resource:
        return body(self._get(address), "GET", type_)

    def _write(self, method: str, address: str, resource: Resource, headers: Mapping[str, str]) -> Written:
        answer = self._via.write(method, address, codec.dumps(resource), headers)
        if answer.status >= 300:
            raise failures.of_status(method, answer.status, answer.headers, answer.body)
        return written(answer, method, resource)


def client(connection: Connection) -> EhrClient:
    """The client of a configured connection. Raises Misconfigured when its key cannot be used."""
    if connection.ehr_auth != "backend-services":
        return EhrClient(transport(connection))
    from fhirplan.ehr.backend_auth import tokens

    def offered() -> Capabilities:
        # A session of its own: the tokens are shared by threads, which a session is not.
        with EhrClient(transport(connection)) as open_to_all:
            return open_to_all.capabilities()

    return EhrClient(transport(connection, tokens(connection, offered)))


def _address(type_: str, id_: str) -> str:
    return f"{type_}/{quote(id_, safe='')}"
