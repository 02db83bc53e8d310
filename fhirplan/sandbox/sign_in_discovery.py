"""What the sandbox says of itself in .well-known/smart-configuration where people sign in (SMART App Launch 2.2)."""

from __future__ import annotations

from fhirplan.fhir.codec import Resource
from fhirplan.sandbox.authorize import Gate


def configuration(base: str, gate: Gate | None, token_url: str) -> Resource:
    """The document; what ``gate`` says of programs with a key is part of it."""
    made: Resource = gate.configuration(token_url) if gate else {"capabilities": [], "grant_types_supported": []}
    return {
        **made,
        "issuer": f"{base}/auth",
        "jwks_uri": f"{base}/auth/keys",
        "authorization_endpoint": f"{base}/auth/authorize",
        "token_endpoint": token_url,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", *made["grant_types_supported"]],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": [
            *("launch-ehr", "launch-standalone", "authorize-post", "client-public", "sso-openid-connect"),
            *("client-confidential-symmetric", "client-confidential-asymmetric", "context-ehr-patient"),
            *("context-ehr-encounter", "context-standalone-patient", "context-banner", "context-style"),
            *("permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v2"),
        ],
    }
