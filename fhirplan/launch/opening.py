"""Opens another app from our chart: which apps there are, and the address that opens one (SMART 2.2, EHR launch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhirplan.launch.asking import hand_out_launch
from fhirplan.launch.authority import Authority
from fhirplan.launch.begin import with_fields
from fhirplan.launch.discovery import people_sign_in
from fhirplan.launch.registry import from_file
from fhirplan.settings import Connection
from fhirplan.store.access import clients
from fhirplan.store.access.clients import Client


@dataclass(frozen=True, slots=True)
class Openable:
    """One app at one of its launch addresses."""

    client: Client
    uri: str


def openable(authority: Authority, connection: Connection) -> tuple[Openable, ...]:
    """The apps that a chart of this connection can open: registered for it, enabled, with a launch address and scope.

    None where nobody could sign in to them.
    """
    if not people_sign_in(authority, connection):
        return ()
    with authority.database.read() as tx:
        kept = clients.listed(tx)
    of_file = from_file(authority.settings)
    known = {item.client_id for item in of_file}
    every = [*of_file, *(item for item in kept if item.client_id not in known and not item.disabled)]
    fitting = (item for item in every if item.connection == connection.name and "launch" in item.scopes)
    return tuple(Openable(item, uri) for item in fitting for uri in item.launch_uris)


def address(authority: Authority, app: Openable, context: Mapping[str, str]) -> str:
    """Where to send the browser; the ``launch`` in it is good once, for five minutes, and for this app alone.

    ``context`` is as ``asking.hand_out_launch`` has it. Whoever comes with it still has to sign in as who opened it.
    """
    launch = hand_out_launch(authority, app.client, context)
    return with_fields(app.uri, {"iss": authority.audience(app.client.connection), "launch": launch})
