"""Keeps the keys that our own tokens are signed with: ES384 for access tokens, RS256 for id_tokens.

The file is a JWK Set of private keys, made at first use and readable by its owner only. The newest key of a kind
signs; the older ones stay published, so that what they signed can be checked until it ends.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from fhirplan.errors import Misconfigured
from fhirplan.settings import Settings
from fhirplan.store.access.sealing import private_file, replace_private

Algorithm = Literal["ES384", "RS256"]
ACCESS: Final[Algorithm] = "ES384"
IDENTITY: Final[Algorithm] = "RS256"
"""OpenID Connect Core 1.0 section 15.1 has every provider know RS256."""
_RSA_BITS: Final = 3072
_KEPT: Final = 3
"""How many keys of a kind stay published."""
_Key = ECKey | RSAKey


class SigningKeys:
    """The keys in a file; another process may replace it at any time, which is noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._keys: list[_Key] = []
        self._stamp: tuple[int, int] = (0, 0)

    def sign(self, claims: Mapping[str, Any], algorithm: Algorithm, typ: str) -> str:
        """A compact JWT of these claims by the newest key of the kind that the algorithm needs."""
        key = self._newest(algorithm)
        header = {"alg": algorithm, "kid": key.kid, "typ": typ}
        return jwt.encode(header, dict(claims), key, algorithms=[algorithm])

    def public(self) -> dict[str, Any]:
        """The JWK Set of the public halves (RFC 7517), as /auth/jwks.json shows it."""
        return {"keys": [_shown(key) for key in self._all()]}

    def key_set(self) -> KeySet:
        """The public halves that access tokens are checked with."""
        return KeySet([ECKey.import_key(_shown(key)) for key in self._all() if isinstance(key, ECKey)])

    def rotate(self) -> list[str]:
        """Puts new keys before the others, and gives their ids; the oldest beyond a few are dropped."""
        with self._lock:
            fresh = _fresh()
            kept = [*fresh, *self._read()]
            listed = [key for kind in (ECKey, RSAKey) for key in [k for k in kept if isinstance(k, kind)][:_KEPT]]
            replace_private(self._path, _written(listed))
            self._stamp = (0, 0)
        return [str(key.kid) for key in fresh]

    def _newest(self, algorithm: Algorithm) -> _Key:
        kind = ECKey if algorithm == ACCESS else RSAKey
        return next(key for key in self._all() if isinstance(key, kind))

    def _all(self) -> list[_Key]:
        with self._lock:
            return self._read()

    def _read(self) -> list[_Key]:
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_ino) == self._stamp:
                return self._keys
        except OSError:
            # Not there yet: made below.
            self._stamp = (0, 0)
        text = private_file(self._path, lambda: _written(_fresh()))
        try:
            self._keys = [_imported(item) for item in json.loads(text)["keys"]]
        except (ValueError, KeyError, TypeError):
            raise Misconfigured(
                f"{self._path} holds no JWK Set of signing keys. Move it away to have one made."
            ) from None
        if not {ECKey, RSAKey} <= {type(key) for key in self._keys}:
            raise Misconfigured(f"{self._path} needs an EC key on P-384 and an RSA key.")
        found = self._path.stat()
        self._stamp = (found.st_mtime_ns, found.st_ino)
        return self._keys


def signing_keys(settings: Settings) -> SigningKeys:
    """The keys where the settings say they are."""
    named = settings.signing_keys
    return SigningKeys(Path(named) if named else settings.data_dir / "keys" / "signing.json")


def _fresh() -> list[_Key]:
    made: list[_Key] = [ECKey.generate_key("P-384"), RSAKey.generate_key(_RSA_BITS)]
    for key in made:
        key.ensure_kid()
    return made


def _imported(item: dict[str, Any]) -> _Key:
    key: _Key = ECKey.import_key(item) if item["kty"] == "EC" else RSAKey.import_key(item)
    if isinstance(key, ECKey) and key.curve_name != "P-384":
        raise ValueError(key.curve_name)
    key.ensure_kid()
    return key


def _written(keys: list[_Key]) -> str:
    return json.dumps({"keys": [{**key.as_dict(private=True), "kid": key.kid} for key in keys]}, indent=1)


def _shown(key: _Key) -> dict[str, Any]:
    algorithm = ACCESS if isinstance(key, ECKey) else IDENTITY
    return {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": algorithm}
