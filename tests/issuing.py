"""Access tokens signed with a key of the tests' own, and the issuer by which a server takes them."""

import time

from joserfc import jwt
from joserfc.jwk import ECKey

from fhirplan.access import token
from fhirplan.interactions.issuers import Issuer

BASE = "http://127.0.0.1:8080/fhir"
AUTH = "http://127.0.0.1:8080/auth"
KEY = ECKey.generate_key("P-384", {"kid": "ours"})
PUBLIC = token.public_keys({"keys": [KEY.as_dict(private=False)]})
OWN = Issuer(AUTH, "default", frozenset({BASE}), keys=lambda _kid: PUBLIC, own=True)


def signed(scope, **claims):
    """A token for these scopes; a claim that is None is left out."""
    now = int(time.time())
    made = {"iss": AUTH, "aud": BASE, "sub": "x", "client_id": "c", "scope": scope, "exp": now + 300, "iat": now}
    made |= {"jti": "j", **claims}
    header = {"alg": "ES384", "kid": "ours", "typ": "at+jwt"}
    return jwt.encode(header, {k: v for k, v in made.items() if v is not None}, KEY, algorithms=["ES384"])
