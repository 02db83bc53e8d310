"""The settings of one connection: an EHR endpoint and how we work with it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from fhirplan.settings.declaring import setting

DEFAULT_CONNECTION: Final = "default"


@dataclass(frozen=True, slots=True)
class Connection:
    """One EHR endpoint and how we work with it; ``[connections.NAME]`` in the TOML file."""

    name: str = DEFAULT_CONNECTION
    ehr_url: str = setting("", "FHIR base of the EHR; empty: no EHR, nothing is pulled or pushed", accepted="a URL")
    ehr_label: str = setting("the EHR", "what the pages call this EHR")
    ehr_vendor: str = setting(
        "",
        "whose EHR it is, for what its CapabilityStatement does not say; empty: by the name of its software",
        one_of=("", "open", "epic", "oracle", "athena", "meditech", "openemr"),
    )
    ehr_auth: str = setting("none", "how we authenticate there", one_of=("none", "bearer", "backend-services"))
    ehr_token: str = setting("", "the bearer token when ehr_auth is bearer", secret=True)
    ehr_client_id: str = setting("", "our client id there when ehr_auth is backend-services")
    ehr_private_key: str = setting(
        "",
        "our private key when ehr_auth is backend-services; its public half is at /auth/jwks.json",
        accepted="a PEM or JWK file, RSA or EC P-384",
    )
    ehr_other_keys: tuple[str, ...] = setting(
        (),
        "further keys whose public halves are at /auth/jwks.json: the next one before it is used, the last one after",
        accepted="PEM or JWK files, comma separated",
    )
    ehr_patients: str = setting(
        "",
        "whose records are pulled, where the EHR does not list its patients or has more than ours; empty: all it lists",
        accepted="a file with one of the EHR's patient ids on each line, or Group/ID in the EHR",
    )
    ehr_notify_secret: str = setting(
        "",
        "what the EHR sends as a bearer token to $ehr-notify when something changed there; empty: nothing is taken",
        accepted="at least 16 characters",
        secret=True,
    )
    ehr_probe_interval: float = setting(
        86_400.0, "seconds between two looks of the worker at what the EHR offers", minimum=60.0
    )
    ehr_timeout: float = setting(20.0, "seconds that one call to the EHR may take", minimum=0.1)
    ehr_calls_per_second: float = setting(
        0.0, "most calls to the EHR in a second on average, by each of our processes; 0: no limit", minimum=0.0
    )
    launch_client_id: str = setting(
        "", "our client id there for opening our pages from its charts and for signing people in; empty: neither"
    )
    launch_client_secret: str = setting(
        "", "our client secret there when launch_auth is client-secret-basic", secret=True
    )
    launch_auth: str = setting(
        "public",
        "how we prove who we are when we are opened from a chart; private-key-jwt: by ehr_private_key",
        one_of=("public", "client-secret-basic", "private-key-jwt"),
    )
    launch_issuers: tuple[str, ...] = setting(
        (), "FHIR bases that may open our pages from their charts; empty: ehr_url", accepted="URLs, comma separated"
    )
    launch_scopes: str = setting(
        "openid fhirUser launch launch/patient online_access",
        "scopes that we ask for when we are opened from a chart; launch only where the EHR opens us, launch/patient "
        "only where it does not",
    )
    launch_authorize: str = setting(
        "get", "how the browser is sent to where people sign in there", one_of=("get", "post")
    )
    launch_frame_ancestors: tuple[str, ...] = setting(
        (),
        "web origins that may show our pages in a frame, besides those of launch_issuers",
        accepted="origins such as https://ehr.example.org, comma separated",
    )
    ehr_organization: str = setting(
        "",
        "who keeps this EHR, as consents here name it; nothing with a guarded label is sent there without a consent "
        "that names it; empty: labels are no obstacle, since the EHR is ours",
        accepted="such as Organization/clinic",
    )
    ehr_failures_before_pause: int = setting(
        5, "calls to the EHR in a row that may fail before it is left alone for a while", minimum=1
    )
    ehr_longest_pause: float = setting(
        300.0, "most seconds between two attempts while the EHR fails; the pauses double up to it", minimum=1.0
    )
    push_lanes: int = setting(4, "patients whose changes one push sends at the same time", minimum=1)
    push_bundle_entries: int = setting(
        50, "most changes of a patient sent as one transaction, where the EHR takes those; 1: each by itself", minimum=1
    )
    cds_clients: tuple[str, ...] = setting(
        (),
        "who may call our CDS Hooks services for this EHR: the issuer of its JWTs and where its keys are published",
        accepted="ISSUER=JWKS_URL, comma separated",
    )
    token_issuers: tuple[str, ...] = setting(
        (),
        "authorization servers of this EHR whose JWT access tokens our FHIR API takes, each with where its keys are; "
        "without that address they are found by its own description (.well-known/openid-configuration)",
        accepted="ISSUER or ISSUER=JWKS_URL, comma separated",
    )
    token_introspection: tuple[str, ...] = setting(
        (),
        "authorization servers of this EHR that are asked about its other access tokens (RFC 7662), and where",
        accepted="ISSUER=URL, comma separated",
    )
    token_introspection_auth: str = setting(
        "none",
        "how we prove there who we are; private-key-jwt: ehr_client_id and ehr_private_key; client-secret-basic: "
        "launch_client_id and launch_client_secret; bearer: ehr_token",
        one_of=("none", "private-key-jwt", "client-secret-basic", "bearer"),
    )
    token_audiences: tuple[str, ...] = setting(
        (),
        "what the EHR's access tokens must be for (aud) to be taken here; empty: the FHIR base of this connection",
        accepted="URLs, comma separated",
    )
    token_clients: tuple[str, ...] = setting(
        (),
        "client ids whose EHR access tokens are taken; empty: any, but none that does not say for whom it is",
        accepted="client ids, comma separated",
    )
    token_algorithms: tuple[str, ...] = setting(
        ("RS384", "ES384"),
        "what the EHR's JWT access tokens may be signed with",
        accepted="some of RS256, RS384, ES384; comma separated",
    )
    token_types: tuple[str, ...] = setting(
        ("at+jwt",),
        "what the typ of the EHR's JWT access tokens may be; JWT and none are for servers older than RFC 9068",
        accepted="some of at+jwt, JWT, none; comma separated",
    )
    token_leeway: int = setting(
        60, "seconds by which the clock of the EHR's authorization server may differ from ours, at most 300", minimum=0
    )
    token_check_seconds: float = setting(
        30.0,
        "seconds for which the answer about an EHR's access token is relied on, and never past the token's end; until "
        "then a token that was revoked there still counts here",
        minimum=0.0,
    )
    write_mode: str = setting(
        "behind",
        "behind: a write is answered at once and pushed by the worker; through: the request waits for the EHR's answer",
        one_of=("behind", "through"),
    )
    outbound_delay: float = setting(
        10.0,
        "seconds that a change made in the chart waits before it is sent to the EHR, so that it can be undone; "
        "with write_mode through it waits for nothing",
        minimum=0,
    )
    merge_policy: str = setting(
        "ask",
        "who wins where both sides changed the same element; newest: the later edit, ask: nobody until a person says",
        one_of=("ehr", "ours", "newest", "ask"),
    )
    merge_paths: tuple[str, ...] = setting(
        (),
        "who wins for single elements, by the path they begin with; the longest that fits counts",
        accepted="such as Task.status=ehr, Goal.target=ask; comma separated",
    )
    pull_interval: float = setting(60.0, "seconds between two pulls by the worker", minimum=0.1)
    api_validation: str = setting(
        "server",
        "what our API demands of what is written on this connection; server: as the setting validation",
        one_of=("server", "case-management", "declared", "base"),
    )
    import_validation: str = setting(
        "server",
        "what comes from this EHR is checked by, its findings being kept; server: as the setting validation",
        one_of=("server", "case-management", "declared", "base"),
    )
    validation_profiles: tuple[str, ...] = setting(
        (),
        "profiles that every resource of their type is checked against, and what their errors do to a write through "
        "our API; refuse: it is refused, record: it is stored and the findings are kept with it",
        accepted="CANONICAL=refuse or CANONICAL=record, comma separated",
    )


def connection_keys() -> tuple[str, ...]:
    """The settings of one connection, which the default connection takes from the top level."""
    return tuple(item.name for item in dataclasses.fields(Connection) if item.name != "name")
