"""Says what our authorization server can do, and no more than it does (SMART App Launch 2.2, conformance)."""

from __future__ import annotations

from typing import Any

from fhirplan.launch import granting
from fhirplan.launch.assertion import ALGORITHMS
from fhirplan.launch.authority import Authority
from fhirplan.launch.tokens import GRANT_TYPES
from fhirplan.settings import Connection
from fhirplan.store.access.signing import IDENTITY

_METHODS = ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")


def people_sign_in(authority: Authority, connection: Connection) -> bool:
    """Whether a person can be asked: signed in at the EHR, or anybody on a server that is open to all."""
    return authority.settings.auth == "open" or bool(connection.launch_client_id and connection.ehr_url)


def configuration(authority: Authority, connection: Connection) -> dict[str, Any]:
    """The document .well-known/smart-configuration of a connection's FHIR base."""
    people = people_sign_in(authority, connection)
    made: dict[str, Any] = {
        "token_endpoint": authority.token_url,
        "grant_types_supported": list(GRANT_TYPES) if people else ["client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(_METHODS) if people else ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": _scopes(people=people),
        "introspection_endpoint": f"{authority.issuer}/introspect",
        "revocation_endpoint": f"{authority.issuer}/revoke",
        "capabilities": _capabilities(people=people),
    }
    if people:
        made |= {
            "issuer": authority.issuer,
            "jwks_uri": f"{authority.issuer}/jwks.json",
            "authorization_endpoint": f"{authority.issuer}/authorize",
            "response_types_supported": ["code"],
        }
    return made


def openid(authority: Authority) -> dict[str, Any]:
    """The document .well-known/openid-configuration of our issuer (OpenID Connect Discovery 1.0 section 3)."""
    return {
        "issuer": authority.issuer,
        "authorization_endpoint": f"{authority.issuer}/authorize",
        "token_endpoint": authority.token_url,
        "jwks_uri": f"{authority.issuer}/jwks.json",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [IDENTITY],
        "scopes_supported": _scopes(people=True),
        "token_endpoint_auth_methods_supported": list(_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "fhirUser"],
        "introspection_endpoint": f"{authority.issuer}/introspect",
        "revocation_endpoint": f"{authority.issuer}/revoke",
        "authorization_response_iss_parameter_supported": True,
    }


def _scopes(*, people: bool) -> list[str]:
    return [text for text in granting.supported() if people or granting.for_programs(text)]


def _capabilities(*, people: bool) -> list[str]:
    backend = ["client-confidential-asymmetric", "permission-v1", "permission-v2"]
    if not people:
        return backend
    return [
        "launch-ehr",
        "launch-standalone",
        "authorize-post",
        "client-public",
        "client-confidential-symmetric",
        "sso-openid-connect",
        "context-banner",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "permission-offline",
        "permission-online",
        "permission-patient",
        "permission-user",
        *backend,
    ]
