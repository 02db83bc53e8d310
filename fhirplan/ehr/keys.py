"""Our own keys: reads them from PEM or JWK files, signs with them, and shows their public halves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhirplan.errors import Misconfigured

Key = RSAKey | ECKey
# SMART App Launch 2.2, Backend Services: a client knows both; the kind of key decides.
_CURVE: Final = "P-384"
_RSA_BITS: Final = 2048


def load_key(path: Path) -> Key:
    """The private key in a PEM or JWK file; raises Misconfigured when there is none that can be used."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be read: {error.strerror}.") from None
    given: Any = text
    if text.lstrip().startswith(b"{"):
        try:
            given = json.loads(text)
        except ValueError:
            raise Misconfigured(f"The key file {path} is no JWK: it is not JSON.") from None
    for kind in (RSAKey, ECKey):
        try:
            key: Key = kind.import_key(given)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        return _checked(key, path)
    raise Misconfigured(f"The key file {path} holds no RSA or EC key. Give it as PEM or as a JWK.")


def _checked(key: Key, path: Path) -> Key:
    if not key.is_private:
        raise Misconfigured(f"The key file {path} holds a public key only. Signing needs the private one.")
    if isinstance(key, ECKey) and key.curve_name != _CURVE:
        raise Misconfigured(f"The key file {path} is on the curve {key.curve_name}. ES384 needs {_CURVE}.")
    if isinstance(key, RSAKey) and key.raw_value.key_size < _RSA_BITS:
        raise Misconfigured(f"The RSA key in {path} has fewer than {_RSA_BITS} bits. Make a longer one.")
    key.ensure_kid()
    return key


def algorithm(key: Key) -> str:
    """The JWA algorithm that a key signs with: RS384 or ES384."""
    return "ES384" if isinstance(key, ECKey) else "RS384"


def signed(key: Key, claims: Mapping[str, Any]) -> str:
    """A compact JWT of these claims, with kid and typ in its header (SMART App Launch 2.2, client authentication)."""
    header = {"alg": algorithm(key), "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, dict(claims), key, algorithms=[algorithm(key)])


def public_set(keys: Sequence[Key]) -> dict[str, Any]:
    """The JWK Set of the public halves, each key id once (RFC 7517)."""
    shown: dict[str, dict[str, Any]] = {}
    for key in keys:
        public = dict(key.as_dict(private=False))
        shown[str(key.kid)] = {**public, "use": "sig", "alg": algorithm(key), "key_ops": ["verify"]}
    return {"keys": list(shown.values())}
