"""Checks each value by itself, as its declaration says, with a marshmallow schema made from the declarations."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from fhirplan.errors import Misconfigured
from fhirplan.settings.connection import Connection
from fhirplan.settings.declaring import unknown
from fhirplan.settings.server import Settings


def values(of: type[Connection | Settings], given: dict[str, Any], where: str) -> dict[str, Any]:
    """The checked values: the keyword arguments of ``of``.

    ``where`` stands before each key in a message, such as ``connections.mercy.``. Raises Misconfigured, naming every
    key that is unknown or whose value is not accepted.
    """
    try:
        loaded: dict[str, Any] = _schema(of)().load(given)
    except ValidationError as error:
        found: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise Misconfigured(" ".join(_said(of, given, where, found))) from None
    return {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}


def _said(of: type[Connection | Settings], given: dict[str, Any], where: str, found: dict[str, Any]) -> list[str]:
    known = {item.name: item for item in dataclasses.fields(of)}
    lines = []
    for key, messages in sorted(found.items()):
        if key not in known:
            lines.append(unknown(f"{where}{key}", key, known))
            continue
        text = " ".join(str(item) for item in (messages if isinstance(messages, list) else [messages]))
        secret = known[key].metadata["check"].get("secret")
        lines.append(f"{where}{key}: {text} Given: {'(hidden)' if secret else repr(given.get(key))}.")
    return lines


class _Items(fields.List[Any]):
    """A list that an environment variable spells with commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, str):
            value = [item.strip() for item in value.split(",") if item.strip()]
        return list(super()._deserialize(value, attr, data, **kwargs))


class _Folder(fields.String):
    """A path, which may be given as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return Path(str(value)).expanduser()


def _schema(of: type[Connection | Settings]) -> type[Schema]:
    declared = {item.name: _field(item) for item in dataclasses.fields(of) if item.metadata}
    schema: type[Schema] = Schema.from_dict(declared, name=f"{of.__name__}Schema")
    return schema


def _field(item: dataclasses.Field[Any]) -> fields.Field[Any]:
    check = item.metadata["check"]
    rules: list[Any] = []
    if "one_of" in check:
        rules.append(validate.OneOf(check["one_of"], error=f"Accepted: {', '.join(check['one_of'])}."))
    if "minimum" in check:
        rules.append(validate.Range(min=check["minimum"], error=f"Accepted: {check['minimum']} or more."))
    # bool before int, since every bool is an int.
    match item.default:
        case bool():
            return fields.Boolean(validate=rules)
        case int():
            return fields.Integer(strict=False, validate=rules)
        case float():
            return fields.Float(validate=rules)
        case tuple():
            return _Items(fields.String(), validate=rules)
        case Path():
            return _Folder(validate=rules)
        case _:
            return fields.String(validate=rules)
