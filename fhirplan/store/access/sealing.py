"""Seals what must not be read from the database alone: EHR tokens and what a pending request stands for.

Fernet (AES-128-CBC with HMAC-SHA-256) of the library ``cryptography``. The keys come from the setting
``encryption_key``, or from a file in the data folder, made at first use and readable by its owner only. The first key
seals, all of them open.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from fhirplan.errors import Misconfigured
from fhirplan.settings import Settings

_FILE: Final = "encryption.key"
_OWNER_ONLY: Final = 0o600


class Sealer:
    """Seals and opens; ``keys`` are given ones, else those in the file at ``path`` count, also after it changed."""

    def __init__(self, path: Path, keys: tuple[str, ...] = ()) -> None:
        self._path = path
        self._given = keys
        self._made: MultiFernet | None = None
        self._read = 0

    def seal(self, text: bytes) -> bytes:
        """What only a holder of the key can read, and nobody can change unnoticed."""
        return self._fernet().encrypt(text)

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None when no key that is known opens it."""
        try:
            return self._fernet().decrypt(bytes(sealed))
        except InvalidToken:
            return None

    def renew(self) -> None:
        """Puts a new key before the last one in the file; raises Misconfigured where the setting gives the keys."""
        if self._given:
            raise Misconfigured("encryption_key gives the keys, so they are changed there.")
        listed = (Fernet.generate_key().decode(), *self._listed()[:1])
        replace_private(self._path, "\n".join(listed) + "\n")

    @property
    def from_setting(self) -> bool:
        """Whether the setting gives the keys."""
        return bool(self._given)

    def _fernet(self) -> MultiFernet:
        """The keys as they are now: another process may have put a new one before them."""
        stamp = 1 if self._given else _stamp(self._path)
        if self._made is None or not stamp or stamp != self._read:
            try:
                self._made = MultiFernet([Fernet(key) for key in self._given or self._listed()])
            except ValueError:
                raise Misconfigured(
                    "encryption_key is no key. It is 32 random bytes in URL-safe base64; `fhirplan keys new` makes one."
                ) from None
            self._read = stamp
        return self._made

    def _listed(self) -> tuple[str, ...]:
        made = private_file(self._path, lambda: Fernet.generate_key().decode() + "\n")
        return tuple(line for line in made.split() if line)


def sealer(settings: Settings) -> Sealer:
    """The sealer that the settings ask for."""
    given = tuple(item.strip() for item in settings.encryption_key.split(",") if item.strip())
    return Sealer(settings.data_dir / "keys" / _FILE, given)


def _stamp(path: Path) -> int:
    """Changes with the file; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def private_file(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that only its owner may read; ``make`` gives the text of one that is not there yet.

    Raises Misconfigured when others may read it or it cannot be read or made.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(path, make())
        if path.stat().st_mode & 0o077:
            raise Misconfigured(f"{path} can be read by others than its owner. Run: chmod 600 {path}")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read or made: {error.strerror}.") from None


def _write_new(path: Path, text: str) -> None:
    """Writes a file that is not there yet, whole or not at all; the first of several processes wins."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    _write(part, text)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def replace_private(path: Path, text: str) -> None:
    """Replaces a file of keys at once; raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(part, text)
    part.replace(path)


def _write(path: Path, text: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
