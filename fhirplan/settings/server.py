"""The settings of the server: where it keeps things, whom it lets in, what it demands and how far it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fhirplan.settings.connection import DEFAULT_CONNECTION, Connection
from fhirplan.settings.declaring import setting

_DATA: Final = Path("data")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Names are the TOML keys; in the environment they are upper case with FHIRPLAN_ before them."""

    data_dir: Path = setting(_DATA, "folder of everything this server keeps", accepted="a folder")
    database_url: str = setting(
        "", "where the database is; empty: SQLite in data_dir", accepted="sqlite:///FILE or postgresql://…"
    )
    jobs_url: str = setting(
        "",
        "where the workers' queue is; empty: a file in data_dir, for the workers of one machine",
        accepted="postgresql://… or redis://…",
        secret=True,
    )
    database_connections: int = setting(
        8, "most connections to PostgreSQL of each of our processes; SQLite has one per thread", minimum=1
    )
    base_url: str = setting("http://127.0.0.1:8080", "how callers reach this server, without a path", accepted="a URL")
    auth: str = setting(
        "smart",
        "smart: who calls needs a SMART token, who looks at a chart comes from its EHR; "
        "open: everybody may do everything, refused on anything but a loopback address",
        one_of=("smart", "open"),
    )
    guarded_labels: tuple[str, ...] = setting(
        tuple(f"http://terminology.hl7.org/CodeSystem/v3-ActCode|{code}" for code in ("SUD", "ETH", "ETHUD")),
        "security labels whose resources are shown only to whom a current consent of the patient names",
        accepted="SYSTEM|CODE, comma separated",
    )
    guarded_readers: tuple[str, ...] = setting(
        (),
        "who sees resources with guarded labels without a consent: the program that keeps those records",
        accepted="such as Organization/program, Practitioner/x or client NAME; comma separated",
    )
    client_organizations: tuple[str, ...] = setting(
        (),
        "which organization a client acts for, as consents here name it",
        accepted="CLIENT=Organization/ID, comma separated",
    )
    administrators: tuple[str, ...] = setting(
        (),
        "who may ask $explain with an access token, which tells of what others may see; a person counts in each app "
        "that they use",
        accepted="such as Practitioner/x or client NAME; comma separated",
    )
    break_glass_minutes: int = setting(
        60, "minutes for which an emergency that a professional declares lasts; 0: none can be declared", minimum=0
    )
    subscriptions_per_client: int = setting(100, "subscriptions a client may have that are not off", minimum=1)
    subscription_seconds: float = setting(
        10.0, "seconds within which a subscriber has to answer a notification", minimum=0.1
    )
    subscription_attempts: int = setting(
        12,
        "how often a notification is tried, with growing pauses of up to an hour, before its Subscription is an error",
        minimum=1,
    )
    subscription_days: float = setting(
        7.0, "days for which events are kept, so that Subscription/[id]/$events can give them again", minimum=0.0
    )
    subscription_hosts: tuple[str, ...] = setting(
        (), "hosts that notifications may be sent to; none named: any that is not in a private network"
    )
    validation: str = setting(
        "case-management",
        "what our API demands of a CarePlan, Goal, Task or CareTeam: base R4 and our profile (case-management), "
        "base R4 and what meta.profile names (declared), or base R4 (base)",
        one_of=("case-management", "declared", "base"),
    )
    packages: tuple[str, ...] = setting(
        (),
        "FHIR packages to validate with besides our own",
        accepted="folders, .tgz files or name#version, comma separated",
    )
    terminology_url: str = setting(
        "", "FHIR base of a terminology server to ask about codes that are not here; empty: none", accepted="a URL"
    )
    terminology_timeout: float = setting(
        2.0, "seconds that the terminology server may take for the codes of one resource", minimum=0.1
    )
    push_interval: float = setting(1.0, "seconds between two looks of the worker at the outbox", minimum=0.05)
    outbox_retention_days: float = setting(
        30.0, "days after which a change that was sent leaves the outbox; its receipts stay", minimum=0.0
    )
    metrics_token: str = setting(
        "",
        "bearer token that /metrics asks for; empty: callers on this machine only, and none that came by a proxy",
        secret=True,
    )
    project_interval: float = setting(
        0.3, "seconds between two looks of the worker at what changed in the plans", minimum=0.05
    )
    time_zone: str = setting("UTC", "time zone of the patients, for due dates and pages", accepted="an IANA name")
    clinic_label: str = setting("the clinic", "what the pages call the clinic")
    max_body_bytes: int = setting(10 * 2**20, "largest request body, in bytes", minimum=1024)
    recording_max_bytes: int = setting(
        512 * 2**20, "most bytes that `fhirplan sync --record` writes; the sync goes on without it", minimum=4096
    )
    request_seconds: float = setting(
        30.0, "seconds in which all of a request must have come, and any of an answer be taken", minimum=0.5
    )
    max_depth: int = setting(100, "deepest nesting of JSON that is read", minimum=10)
    max_bundle_entries: int = setting(2000, "most entries of a transaction or batch", minimum=1)
    default_count: int = setting(50, "resources on a page when _count is not given", minimum=1)
    max_count: int = setting(1000, "most resources on one page; a larger _count gets this many", minimum=1)
    max_search_values: int = setting(500, "most values in one search, over all parameters", minimum=1)
    max_chain: int = setting(4, "most steps from resource to resource in one search parameter", minimum=0)
    max_included: int = setting(1000, "most resources that _include and _revinclude add to a page", minimum=0)
    clients_file: str = setting(
        "",
        "clients that may ask for tokens besides those that `fhirplan clients add` registered",
        accepted="a JSON file: a list of registrations as `fhirplan clients add` prints them",
    )
    signing_keys: str = setting(
        "", "private keys that our own tokens are signed with; empty: made in data_dir", accepted="a JWK Set file"
    )
    encryption_key: str = setting(
        "",
        "seals EHR tokens in the database; several: the first seals, all open; empty: a key file made in data_dir",
        accepted="a key that `fhirplan keys new` made; several comma separated",
        secret=True,
    )
    token_seconds: int = setting(900, "seconds that a token of an app is good for, at most 3600", minimum=60)
    grant_hours: float = setting(
        2160.0, "hours that an app with offline_access may renew its tokens without asking again", minimum=0.1
    )
    session_hours: float = setting(
        10.0, "hours that a person stays signed in, on our pages and in apps with online_access", minimum=0.05
    )
    session_idle_minutes: float = setting(
        30.0,
        "minutes without use after which a person's session on our pages ends; typing is use, and what was typed is "
        "kept as a draft; 0: never",
        minimum=0.0,
    )
    rate_limit: int = setting(
        60_000,
        "requests that one client, with all its tokens, or one address without a token that is known, may make of each "
        "process in a minute; 0: no limit; an open server has none",
        minimum=0,
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "proxies in front of this server, whose X-Forwarded-For is believed: limits and the audit then count and name "
        "who called them",
        accepted="addresses or networks such as 10.0.0.0/8, comma separated",
    )
    cds_seconds: float = setting(
        0.4, "seconds after which a CDS Hooks service answers with the cards it has", minimum=0.05
    )
    log_level: str = setting("info", "how much is logged", one_of=("debug", "info", "warning", "error"))
    log_format: str = setting("json", "json: one object a line; text: for people", one_of=("json", "text"))
    default_connection: Connection = field(default_factory=Connection)
    connections: Mapping[str, Connection] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'fhirplan.db').absolute()}"

    def connection(self, name: str) -> Connection | None:
        """The connection of that name, or None."""
        return self.default_connection if name == DEFAULT_CONNECTION else self.connections.get(name)

    @property
    def all_connections(self) -> tuple[Connection, ...]:
        """The default connection and the named ones."""
        return (self.default_connection, *self.connections.values())
