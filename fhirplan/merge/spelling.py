"""The spelling of a FHIR value: equal for two values exactly when they say the same, digit for digit.

The order of keys is no difference; ``1.5`` and ``1.50``, ``1`` and ``true`` are (R4 section 2.24.0.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from fhirplan.fhir.codec import ExactDecimal, Json, dumps


def _literal(value: Any) -> Any:
    if isinstance(value, ExactDecimal):
        return msgspec.Raw(value.literal.encode())
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_literal, order="deterministic")


def spelled(value: Json) -> bytes:
    """JSON with sorted keys and the digits as they were read."""
    try:
        return _encoder.encode(value)
    except OverflowError:  # an integer beyond 64 bits
        return dumps(_sorted(value))


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, bytes]]:
    """The primitive values in a value, each with its path without indexes and its spelling."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, spelled(value)
