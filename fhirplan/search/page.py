"""Cursors: where the next page of a search begins, as a text that is opaque, checked and bound to its search."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from fhirplan.errors import InvalidSearch
from fhirplan.search.definitions import SearchParameter

Key = int | float | str | None

_CHECK: Final = 8
_WRONG: Final = (
    "_page is not a page of this search: it was changed, cut or taken from another one. Start again without _page."
)


@dataclass(frozen=True, slots=True)
class Position:
    """The last resource of a page: its ``rid``, and its value for each key of the order, None where it has none."""

    rid: int
    keys: tuple[Key, ...] = ()


_decoder: Final = msgspec.msgpack.Decoder(tuple[int, tuple[Key, ...]])


def kind_of(parameter: SearchParameter) -> type | tuple[type, ...]:
    """What the values of a key are."""
    if parameter.type == "date":
        return int
    return (int, float) if parameter.type in ("number", "quantity") else str


def digest(type: str, pairs: Iterable[tuple[str, str]]) -> str:
    """What a search is, in short: the same for the same type and parameters in the same order."""
    return hashlib.blake2b(ascii((type, *pairs)).encode(), digest_size=16).hexdigest()


def write(position: Position, search: str) -> str:
    """The cursor of the page after ``position`` in the search of that digest."""
    packed = msgspec.msgpack.encode((position.rid, position.keys))
    return base64.urlsafe_b64encode(_check(packed, search) + packed).decode().rstrip("=")


def read(cursor: str, search: str) -> Position:
    """The position a cursor stands for. Raises InvalidSearch when it was not made by ``write`` for this search."""
    try:
        whole = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, packed = whole[:_CHECK], whole[_CHECK:]
        rid, keys = _decoder.decode(packed)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise wrong() from None
    position = Position(rid, keys)
    # A text that is decoded alike but spelled otherwise is none of ours either.
    if check != _check(packed, search) or write(position, search) != cursor or not -(2**63) <= rid < 2**63:
        raise wrong()
    return position


def wrong() -> InvalidSearch:
    """The error about a cursor that is none of this search."""
    return InvalidSearch(_WRONG, expression="_page")


def _check(packed: bytes, search: str) -> bytes:
    return hashlib.blake2b(search.encode() + b" " + packed, digest_size=_CHECK).digest()
