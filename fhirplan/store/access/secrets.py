"""Makes secrets to hand out, and the digests that are kept in their place."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

BYTES: Final = 32


def new_secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(BYTES)


def digest(secret: str) -> str:
    """The SHA-256 of a secret that ``new_secret`` made; too random to be guessed, so without salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(secret: str, kept: str) -> bool:
    """Whether a digest is that of a secret, in a time that tells nothing of either."""
    return bool(kept) and hmac.compare_digest(digest(secret), kept)
