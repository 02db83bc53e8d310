"""Every setting: its name, meaning, default and check; read from a TOML file and FHIRPLAN_* variables over it.

``load()`` gives one frozen ``Settings``; an unknown key or a wrong value raises ``Misconfigured`` naming the key,
what was given and what is accepted. ``docs/reference/settings.md`` is generated from the declarations here.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhirplan.errors import Misconfigured

if TYPE_CHECKING:
    from marshmallow import Schema

PREFIX: Final = "FHIRPLAN_"
_NOT_SETTINGS: Final = (f"{PREFIX}CONFIG", f"{PREFIX}TEST_")
SHORTEST_SECRET: Final = 16
DEFAULT_CONNECTION: Final = "default"
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DATA: Final = Path("data")
_ROOT: Final = Path(__file__).resolve().parent


def _setting(default: Any, meaning: str, *, accepted: str = "", **check: Any) -> Any:
    secret = bool(check.get("secret"))
    return field(default=default, repr=not secret, metadata={"meaning": meaning, "accepted": accepted, "check": check})


@dataclass(frozen=True, slots=True)
class Connection:
    """One EHR endpoint and how we work with it; ``[connections.NAME]`` in the TOML file."""

    name: str = DEFAULT_CONNECTION
    ehr_url: str = _setting("", "FHIR base of the EHR; empty: no EHR, nothing is pulled or pushed", accepted="a URL")
    ehr_label: str = _setting("the EHR", "what the pages call this EHR")
    ehr_vendor: str = _setting(
        "",
        "whose EHR it is, for what its CapabilityStatement does not say; empty: by the name of its software",
        one_of=("", "open", "epic", "oracle", "athena", "meditech", "openemr"),
    )
    ehr_auth: str = _setting("none", "how we authenticate there", one_of=("none", "bearer", "backend-services"))
    ehr_token: str = _setting("", "the bearer token when ehr_auth is bearer", secret=True)
    ehr_client_id: str = _setting("", "our client id there when ehr_auth is backend-services")
    ehr_private_key: str = _setting(
        "",
        "our private key when ehr_auth is backend-services; its public half is at /auth/jwks.json",
        accepted="a PEM or JWK file, RSA or EC P-384",
    )
    ehr_other_keys: tuple[str, ...] = _setting(
        (),
        "further keys whose public halves are at /auth/jwks.json: the next one before it is used, the last one after",
        accepted="PEM or JWK files, comma separated",
    )
    ehr_patients: str = _setting(
        "",
        "whose records are pulled, where the EHR does not list its patients or has more than ours; empty: all it lists",
        accepted="a file with one of the EHR's patient ids on each line, or Group/ID in the EHR",
    )
    ehr_notify_secret: str = _setting(
        "",
        "what the EHR sends as a bearer token to $ehr-notify when something changed there; empty: nothing is taken",
        accepted="at least 16 characters",
        secret=True,
    )
    ehr_probe_interval: float = _setting(
        86_400.0, "seconds between two looks of the worker at what the EHR offers", minimum=60.0
    )
    ehr_timeout: float = _setting(20.0, "seconds that one call to the EHR may take", minimum=0.1)
    ehr_calls_per_second: float = _setting(
        0.0, "most calls to the EHR in a second on average, by each of our processes; 0: no limit", minimum=0.0
    )
    launch_client_id: str = _setting(
        "", "our client id there for opening our pages from its charts and for signing people in; empty: neither"
    )
    launch_client_secret: str = _setting(
        "", "our client secret there when launch_auth is client-secret-basic", secret=True
    )
    launch_auth: str = _setting(
        "public",
        "how we prove who we are when we are opened from a chart; private-key-jwt: by ehr_private_key",
        one_of=("public", "client-secret-basic", "private-key-jwt"),
    )
    launch_issuers: tuple[str, ...] = _setting(
        (), "FHIR bases that may open our pages from their charts; empty: ehr_url", accepted="URLs, comma separated"
    )
    launch_scopes: str = _setting(
        "openid fhirUser launch launch/patient online_access",
        "scopes that we ask for when we are opened from a chart; launch only where the EHR opens us, launch/patient "
        "only where it does not",
    )
    launch_authorize: str = _setting(
        "get", "how the browser is sent to where people sign in there", one_of=("get", "post")
    )
    launch_frame_ancestors: tuple[str, ...] = _setting(
        (),
        "web origins that may show our pages in a frame, besides those of launch_issuers",
        accepted="origins such as https://ehr.example.org, comma separated",
    )
    ehr_organization: str = _setting(
        "",
        "who keeps this EHR, as consents here name it; nothing with a guarded label is sent there without a consent "
        "that names it; empty: labels are no obstacle, since the EHR is ours",
        accepted="such as Organization/clinic",
    )
    ehr_failures_before_pause: int = _setting(
        5, "calls to the EHR in a row that may fail before it is left alone for a while", minimum=1
    )
    ehr_longest_pause: float = _setting(
        300.0, "most seconds between two attempts while the EHR fails; the pauses double up to it", minimum=1.0
    )
    push_lanes: int = _setting(4, "patients whose changes one push sends at the same time", minimum=1)
    push_bundle_entries: int = _setting(
        50, "most changes of a patient sent as one transaction, where the EHR takes those; 1: each by itself", minimum=1
    )
    cds_clients: tuple[str, ...] = _setting(
        (),
        "who may call our CDS Hooks services for this EHR: the issuer of its JWTs and where its keys are published",
        accepted="ISSUER=JWKS_URL, comma separated",
    )
    write_mode: str = _setting(
        "behind",
        "behind: a write is answered at once and pushed by the worker; through: the request waits for the EHR's answer",
        one_of=("behind", "through"),
    )
    merge_policy: str = _setting(
        "ask",
        "who wins where both sides changed the same element; newest: the later edit, ask: nobody until a person says",
        one_of=("ehr", "ours", "newest", "ask"),
    )
    merge_paths: tuple[str, ...] = _setting(
        (),
        "who wins for single elements, by the path they begin with; the longest that fits counts",
        accepted="such as Task.status=ehr, Goal.target=ask; comma separated",
    )
    pull_interval: float = _setting(60.0, "seconds between two pulls by the worker", minimum=0.1)
    api_validation: str = _setting(
        "server",
        "what our API demands of what is written on this connection; server: as the setting validation",
        one_of=("server", "case-management", "declared", "base"),
    )
    import_validation: str = _setting(
        "server",
        "what comes from this EHR is checked by, its findings being kept; server: as the setting validation",
        one_of=("server", "case-management", "declared", "base"),
    )
    validation_profiles: tuple[str, ...] = _setting(
        (),
        "profiles that every resource of their type is checked against, and what their errors do to a write through "
        "our API; refuse: it is refused, record: it is stored and the findings are kept with it",
        accepted="CANONICAL=refuse or CANONICAL=record, comma separated",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Names are the TOML keys; in the environment they are upper case with FHIRPLAN_ before them."""

    data_dir: Path = _setting(_DATA, "folder of everything this server keeps", accepted="a folder")
    database_url: str = _setting(
        "", "where the database is; empty: SQLite in data_dir", accepted="sqlite:///FILE or postgresql://…"
    )
    jobs_url: str = _setting(
        "",
        "where the workers' queue is; empty: a file in data_dir, for the workers of one machine",
        accepted="postgresql://… or redis://…",
        secret=True,
    )
    database_connections: int = _setting(
        8, "most connections to PostgreSQL of each of our processes; SQLite has one per thread", minimum=1
    )
    base_url: str = _setting("http://127.0.0.1:8080", "how callers reach this server, without a path", accepted="a URL")
    auth: str = _setting(
        "smart",
        "smart: who calls needs a SMART token, who looks at a chart comes from its EHR; "
        "open: everybody may do everything, refused on anything but a loopback address",
        one_of=("smart", "open"),
    )
    guarded_labels: tuple[str, ...] = _setting(
        tuple(f"http://terminology.hl7.org/CodeSystem/v3-ActCode|{code}" for code in ("SUD", "ETH", "ETHUD")),
        "security labels whose resources are shown only to whom a current consent of the patient names",
        accepted="SYSTEM|CODE, comma separated",
    )
    guarded_readers: tuple[str, ...] = _setting(
        (),
        "who sees resources with guarded labels without a consent: the program that keeps those records",
        accepted="such as Organization/program, Practitioner/x or client NAME; comma separated",
    )
    client_organizations: tuple[str, ...] = _setting(
        (),
        "which organization a client acts for, as consents here name it",
        accepted="CLIENT=Organization/ID, comma separated",
    )
    break_glass_minutes: int = _setting(
        60, "minutes for which an emergency that a professional declares lasts; 0: none can be declared", minimum=0
    )
    validation: str = _setting(
        "case-management",
        "what our API demands of a CarePlan, Goal, Task or CareTeam: base R4 and our profile (case-management), "
        "base R4 and what meta.profile names (declared), or base R4 (base)",
        one_of=("case-management", "declared", "base"),
    )
    packages: tuple[str, ...] = _setting(
        (),
        "FHIR packages to validate with besides our own",
        accepted="folders, .tgz files or name#version, comma separated",
    )
    terminology_url: str = _setting(
        "", "FHIR base of a terminology server to ask about codes that are not here; empty: none", accepted="a URL"
    )
    terminology_timeout: float = _setting(
        2.0, "seconds that the terminology server may take for the codes of one resource", minimum=0.1
    )
    push_interval: float = _setting(1.0, "seconds between two looks of the worker at the outbox", minimum=0.05)
    outbox_retention_days: float = _setting(
        30.0, "days after which a change that was sent leaves the outbox; its receipts stay", minimum=0.0
    )
    metrics_token: str = _setting(
        "",
        "bearer token that /metrics asks for; empty: callers on this machine only, and none that came by a proxy",
        secret=True,
    )
    project_interval: float = _setting(
        0.3, "seconds between two looks of the worker at what changed in the plans", minimum=0.05
    )
    time_zone: str = _setting("UTC", "time zone of the patients, for due dates and pages", accepted="an IANA name")
    clinic_label: str = _setting("the clinic", "what the pages call the clinic")
    max_body_bytes: int = _setting(10 * 2**20, "largest request body, in bytes", minimum=1024)
    request_seconds: float = _setting(
        30.0, "seconds in which all of a request must have come, and any of an answer be taken", minimum=0.5
    )
    max_depth: int = _setting(100, "deepest nesting of JSON that is read", minimum=10)
    max_bundle_entries: int = _setting(2000, "most entries of a transaction or batch", minimum=1)
    default_count: int = _setting(50, "resources on a page when _count is not given", minimum=1)
    max_count: int = _setting(1000, "most resources on one page; a larger _count gets this many", minimum=1)
    max_search_values: int = _setting(500, "most values in one search, over all parameters", minimum=1)
    max_chain: int = _setting(4, "most steps from resource to resource in one search parameter", minimum=0)
    max_included: int = _setting(1000, "most resources that _include and _revinclude add to a page", minimum=0)
    clients_file: str = _setting(
        "",
        "clients that may ask for tokens besides those that `fhirplan clients add` registered",
        accepted="a JSON file: a list of registrations as `fhirplan clients add` prints them",
    )
    signing_keys: str = _setting(
        "", "private keys that our own tokens are signed with; empty: made in data_dir", accepted="a JWK Set file"
    )
    encryption_key: str = _setting(
        "",
        "seals EHR tokens in the database; several: the first seals, all open; empty: a key file made in data_dir",
        accepted="a key that `fhirplan keys new` made; several comma separated",
        secret=True,
    )
    token_seconds: int = _setting(900, "seconds that a token of an app is good for, at most 3600", minimum=60)
    grant_hours: float = _setting(
        2160.0, "hours that an app with offline_access may renew its tokens without asking again", minimum=0.1
    )
    session_hours: float = _setting(
        10.0, "hours that a person stays signed in, on our pages and in apps with online_access", minimum=0.05
    )
    rate_limit: int = _setting(
        60_000,
        "requests that one token, or one address without, may make of each process in a minute; 0: no limit; an open "
        "server has none",
        minimum=0,
    )
    cds_seconds: float = _setting(
        0.4, "seconds after which a CDS Hooks service answers with the cards it has", minimum=0.05
    )
    log_level: str = _setting("info", "how much is logged", one_of=("debug", "info", "warning", "error"))
    log_format: str = _setting("json", "json: one object a line; text: for people", one_of=("json", "text"))
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


def profiles_folder() -> Path:
    """The folder of our profiles: inside an installed package, else at the top of the checkout."""
    return _shipped("profiles")


def fixtures_folder() -> Path:
    """The folder of our sample data: inside an installed package, else at the top of the checkout."""
    return _shipped("fixtures")


def _shipped(name: str) -> Path:
    inside = _ROOT / name
    return inside if inside.is_dir() else _ROOT.parent / name


def connection_keys() -> tuple[str, ...]:
    """The settings of one connection, which the default connection takes from the top level."""
    return tuple(item.name for item in dataclasses.fields(Connection) if item.name != "name")


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings in force: defaults, then the TOML file, then FHIRPLAN_* variables, then ``overrides``.

    The file is ``$FHIRPLAN_CONFIG``, or ``fhirplan.toml`` in the working folder when there is one.
    Raises Misconfigured, naming each wrong key.
    """
    environ = os.environ if environ is None else environ
    given = _from_file(environ)
    known = {item.name for item in dataclasses.fields(Settings)} - {"default_connection", "connections"}
    known |= set(connection_keys())
    for name, text in environ.items():
        if name.startswith(PREFIX) and not name.startswith(_NOT_SETTINGS):
            key = name.removeprefix(PREFIX).lower()
            if key not in known:
                raise Misconfigured(f"{name} is not a setting of fhirplan.{_nearest(key, known)}")
            given[key] = text
    given.update(overrides)
    return _checked(given)


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(f"{PREFIX}CONFIG")
    path = Path(named or "fhirplan.toml")
    if not named and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The settings file {path} is not TOML: {error}.") from None


def _checked(given: dict[str, Any]) -> Settings:
    of_connection = {key: given.pop(key) for key in connection_keys() if key in given}
    named = given.pop("connections", {})
    if not isinstance(named, dict) or not all(isinstance(item, dict) for item in named.values()):
        raise Misconfigured("connections: expected tables such as [connections.mercy].")
    default = Connection(**_values(Connection, of_connection, ""))
    connections = {
        name: Connection(name=name, **_values(Connection, item, f"connections.{name}.")) for name, item in named.items()
    }
    for name in connections:
        if name == DEFAULT_CONNECTION or not name.replace("-", "").isalnum() or name in _RESERVED:
            raise Misconfigured(
                f"connections.{name}: a connection is named with letters, digits and hyphens, and not {name}."
            )
    settings = Settings(**_values(Settings, given, ""), default_connection=default, connections=connections)
    _check_together(settings)
    return settings


_RESERVED: Final = frozenset({"fhir", "auth", "chart", "cds-services", "healthz", "readyz", "metrics", "static"})


def _check_together(settings: Settings) -> None:
    from urllib.parse import urlsplit
    from zoneinfo import ZoneInfo

    if settings.auth == "open" and (urlsplit(settings.base_url).hostname or "") not in LOOPBACK_HOSTS:
        raise Misconfigured(
            f"auth: open lets everybody read every patient, so it is refused for base_url {settings.base_url}. "
            "Use smart, or a base_url on 127.0.0.1."
        )
    if settings.token_seconds > 3600:
        raise Misconfigured(f"token_seconds: {settings.token_seconds} is more than 3600, the most SMART allows.")
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError):
        raise Misconfigured(
            f"time_zone: {settings.time_zone!r} is no IANA time zone such as America/Chicago."
        ) from None
    if settings.jobs_url and urlsplit(settings.jobs_url).scheme not in ("postgresql", "postgres", "redis", "rediss"):
        raise Misconfigured("jobs_url: expected a postgresql:// or redis:// URL, or nothing for a file in data_dir.")
    if settings.terminology_url and urlsplit(settings.terminology_url).scheme not in ("http", "https"):
        raise Misconfigured(f"terminology_url: {settings.terminology_url!r} is no http or https URL.")
    for item in settings.guarded_labels:
        if not all(item.rpartition("|")[::2]):
            raise Misconfigured(f"guarded_labels: {item!r} is no label. Accepted: SYSTEM|CODE.")
    for item in settings.client_organizations:
        if not re.fullmatch(r"[^=]+=\s*Organization/[A-Za-z0-9\-.]{1,64}", item):
            raise Misconfigured(f"client_organizations: {item!r} names none. Accepted: CLIENT=Organization/ID.")
    for connection in settings.all_connections:
        where = "" if connection.name == DEFAULT_CONNECTION else f"connections.{connection.name}."
        if connection.ehr_url and urlsplit(connection.ehr_url).scheme not in ("http", "https"):
            raise Misconfigured(f"{where}ehr_url: {connection.ehr_url!r} is no http or https URL.")
        for line in connection.validation_profiles:
            canonical, _, act = line.rpartition("=")
            if ":" not in canonical or act.strip() not in ("refuse", "record"):
                raise Misconfigured(
                    f"{where}validation_profiles: {line!r} is no canonical and act such as "
                    "http://example.org/StructureDefinition/plan=record. Accepted acts: refuse, record."
                )
        for line in connection.merge_paths:
            path, _, winner = line.partition("=")
            if not path.strip()[:1].isupper() or winner.strip() not in ("ehr", "ours", "newest", "ask"):
                raise Misconfigured(
                    f"{where}merge_paths: {line!r} is no path and winner such as Task.status=ehr. "
                    "Accepted winners: ehr, ours, newest, ask."
                )
        for line in connection.cds_clients:
            issuer, _, address = line.partition("=")
            if not issuer.strip() or urlsplit(address.strip()).scheme not in ("http", "https"):
                raise Misconfigured(
                    f"{where}cds_clients: {line!r} is no issuer and address of its keys such as "
                    "https://ehr.example.org=https://ehr.example.org/jwks.json."
                )
        if connection.ehr_auth == "backend-services":
            for key in ("ehr_client_id", "ehr_private_key"):
                if not getattr(connection, key):
                    raise Misconfigured(f"{where}{key}: ehr_auth is backend-services, so this is needed.")
        if 0 < len(connection.ehr_notify_secret) < SHORTEST_SECRET:
            raise Misconfigured(
                f"{where}ehr_notify_secret: it has fewer than {SHORTEST_SECRET} characters, so it can be guessed. "
                "Make one with: openssl rand -hex 32"
            )
        _check_launch(connection, where)
        if connection.ehr_auth == "bearer" and not connection.ehr_token:
            raise Misconfigured(f"{where}ehr_token: ehr_auth is bearer, so a token is needed.")


def _check_launch(connection: Connection, where: str) -> None:
    """Raises Misconfigured where our pages could not be opened from this EHR's charts as the settings say."""
    from urllib.parse import urlsplit

    if connection.launch_auth == "client-secret-basic" and not connection.launch_client_secret:
        raise Misconfigured(f"{where}launch_client_secret: launch_auth is client-secret-basic, so this is needed.")
    if connection.launch_auth == "private-key-jwt" and not connection.ehr_private_key:
        raise Misconfigured(f"{where}ehr_private_key: launch_auth is private-key-jwt, so this is needed.")
    for key, listed in (
        ("launch_issuers", connection.launch_issuers),
        ("launch_frame_ancestors", connection.launch_frame_ancestors),
    ):
        for item in listed:
            parts = urlsplit(item)
            near = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
            if not parts.hostname or (parts.scheme != "https" and not near):
                raise Misconfigured(f"{where}{key}: {item!r} is no https address.")
            if key == "launch_frame_ancestors" and (parts.path.strip("/") or parts.query or "*" in item):
                raise Misconfigured(f"{where}{key}: {item!r} is no origin such as https://ehr.example.org.")


def _values(of: type[Connection | Settings], given: dict[str, Any], where: str) -> dict[str, Any]:
    """The checked values; the keyword arguments of ``of``."""
    from marshmallow import ValidationError

    try:
        loaded: dict[str, Any] = _schema(of)().load(given)
    except ValidationError as error:
        lines = []
        found: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        for key, messages in sorted(found.items()):
            text = " ".join(str(item) for item in (messages if isinstance(messages, list) else [messages]))
            known = [item.name for item in dataclasses.fields(of)]
            lines.append(
                f"{where}{key} is not a setting of fhirplan.{_nearest(key, known)}"
                if key not in known
                else f"{where}{key}: {text} Given: {_shown(of, key, given.get(key))}."
            )
        raise Misconfigured(" ".join(lines)) from None
    return {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}


def _shown(of: type[Connection | Settings], key: str, value: Any) -> str:
    secret = any(item.name == key and item.metadata["check"].get("secret") for item in dataclasses.fields(of))
    return "(hidden)" if secret else repr(value)


def _schema(of: type[Connection | Settings]) -> type[Schema]:
    """The marshmallow schema made from the declarations of a settings class."""
    from marshmallow import Schema, fields, validate

    class Items(fields.List[Any]):
        """A list that an environment variable spells with commas."""

        def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
            if isinstance(value, str):
                value = [item.strip() for item in value.split(",") if item.strip()]
            return list(super()._deserialize(value, attr, data, **kwargs))

    class Folder(fields.String):
        """A path, which may be given as text."""

        def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
            return Path(str(value)).expanduser()

    declared: dict[str, fields.Field[Any]] = {}
    for item in dataclasses.fields(of):
        if not item.metadata:
            continue
        check = item.metadata["check"]
        rules: list[Any] = []
        if "one_of" in check:
            rules.append(validate.OneOf(check["one_of"], error=f"Accepted: {', '.join(check['one_of'])}."))
        if "minimum" in check:
            rules.append(validate.Range(min=check["minimum"], error=f"Accepted: {check['minimum']} or more."))
        default: Any = item.default
        kind = type(default)
        if kind is bool:
            declared[item.name] = fields.Boolean(validate=rules)
        elif kind is int:
            declared[item.name] = fields.Integer(strict=False, validate=rules)
        elif kind is float:
            declared[item.name] = fields.Float(validate=rules)
        elif kind is tuple:
            declared[item.name] = Items(fields.String(), validate=rules)
        elif isinstance(default, Path):
            declared[item.name] = Folder(validate=rules)
        else:
            declared[item.name] = fields.String(validate=rules)
    schema: type[Schema] = Schema.from_dict(declared, name=f"{of.__name__}Schema")
    return schema


def _nearest(key: str, known: Any) -> str:
    import difflib

    found = difflib.get_close_matches(key, sorted(known), 1)
    return f" Did you mean {found[0]}?" if found else " See docs/reference/settings.md."
