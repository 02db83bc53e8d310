"""Cursors: where the next page of a search begins, as a text that is opaque, checked and bound to its search."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fhirplan.errors import InvalidSearch

_LAYOUT: Final = struct.Struct(">qq8s")
_WRONG: Final = (
    "_page is not a page of this search: it was changed, cut or taken from another one. Start again without _page."
)


@dataclass(frozen=True, slots=True)
class Position:
    """The last resource of a page: its ``rid`` and, in milliseconds, when it was updated."""

    updated: int
    rid: int


def digest(type: str, pairs: Iterable[tuple[str, str]]) -> str:
    """What a search is, in short: the same for the same type and parameters in the same order."""
    made = hashlib.blake2b(type.encode(), digest_size=16)
    for pair in pairs:
        for text in pair:
            data = text.encode("utf-8", "surrogatepass")
            made.update(struct.pack(">I", len(data)) + data)
    return made.hexdigest()


def write(position: Position, search: str) -> str:
    """The cursor of the page after ``position`` in the search of that digest."""
    packed = _LAYOUT.pack(position.updated, position.rid, _check(position, search))
    return base64.urlsafe_b64encode(packed).decode()


def read(cursor: str, search: str) -> Position:
    """The position a cursor stands for. Raises InvalidSearch when it was not made by ``write`` for this search."""
    try:
        packed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        updated, rid, check = _LAYOUT.unpack(packed)
    except (ValueError, binascii.Error, struct.error):
        raise InvalidSearch(_WRONG, expression="_page") from None
    position = Position(updated, rid)
    if check != _check(position, search):
        raise InvalidSearch(_WRONG, expression="_page")
    return position


def _check(position: Position, search: str) -> bytes:
    text = f"{search} {position.updated} {position.rid}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
