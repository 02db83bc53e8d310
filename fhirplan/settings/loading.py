"""Reads the settings from the TOML file, the environment and whoever starts the program, and checks them."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fhirplan.errors import TYPOGRAPHIC_QUOTES, Misconfigured
from fhirplan.settings.connection import DEFAULT_CONNECTION, Connection, connection_keys
from fhirplan.settings.declaring import unknown
from fhirplan.settings.server import Settings

PREFIX: Final = "FHIRPLAN_"
# Between the name of a connection and a setting of it.
_OF: Final = "__"
_NOT_SETTINGS: Final = (f"{PREFIX}CONFIG", f"{PREFIX}TEST_")
# A connection is served at /NAME/fhir, so its name must not be that of another path of the server.
_RESERVED: Final = frozenset({"fhir", "auth", "chart", "cds-services", "healthz", "readyz", "metrics", "static"})


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings in force: defaults, then the TOML file, then FHIRPLAN_* variables, then ``overrides``.

    A setting of ``[connections.mercy-west]`` is FHIRPLAN_MERCY_WEST__* in the environment.
    The file is ``$FHIRPLAN_CONFIG``, or ``fhirplan.toml`` in the working folder when there is one.
    Raises Misconfigured, naming each wrong key.
    """
    environ = os.environ if environ is None else environ
    given = _from_file(environ)
    for name, table in _of_named(environ, _tables(given.get("connections", {}))).items():
        given["connections"] = {**given["connections"], name: {**given["connections"][name], **table}}
    return _checked({**given, **_from_environment(environ), **overrides})


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(f"{PREFIX}CONFIG")
    path = Path(named or "fhirplan.toml")
    if not named and not path.is_file():
        return {}
    try:
        # Editors of Windows put a byte order mark before UTF-8.
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"The settings file {path} is not UTF-8. Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"The settings file {path} is not TOML: {error}.{_of_quotes(text)}") from None


def _of_quotes(text: str) -> str:
    """What to do about quotation marks that a word processor or a chat has made, in the first line that has one."""
    for number, line in enumerate(text.splitlines(), 1):
        if mark := next((mark for mark in TYPOGRAPHIC_QUOTES if mark in line.partition("#")[0]), ""):
            return f' Line {number} has {mark}, which is no quotation mark here; write ".'
    return ""


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    known = {item.name for item in dataclasses.fields(Settings)} - {"default_connection", "connections"}
    known |= set(connection_keys())
    given = {}
    for name, text in environ.items():
        if name.startswith(PREFIX) and not name.startswith(_NOT_SETTINGS) and _OF not in name:
            key = name.removeprefix(PREFIX).lower()
            if key not in known:
                raise Misconfigured(unknown(name, key, known))
            given[key] = text
    return given


def _of_named(environ: Mapping[str, str], tables: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the environment says of the connections that the file names, so that their secrets need not stand there."""
    by_variable = {name.upper().replace("-", "_"): name for name in tables}
    found: dict[str, dict[str, str]] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or _OF not in variable or variable.startswith(_NOT_SETTINGS):
            continue
        place, _, key = variable.removeprefix(PREFIX).partition(_OF)
        if place not in by_variable:
            raise Misconfigured(f"{variable}: the settings file has no table [connections.{place.lower()}].")
        if key.lower() not in connection_keys():
            raise Misconfigured(unknown(variable, key.lower(), connection_keys()))
        found.setdefault(by_variable[place], {})[key.lower()] = text
    return found


def _checked(given: dict[str, Any]) -> Settings:
    # marshmallow is slow to import, and not every command needs settings.
    from fhirplan.settings.checks import wrong
    from fhirplan.settings.single import values

    default = Connection(**values(Connection, {key: given.pop(key) for key in connection_keys() if key in given}, ""))
    connections = {
        name: Connection(name=name, **values(Connection, table, f"connections.{name}."))
        for name, table in _tables(given.pop("connections", {})).items()
    }
    settings = Settings(**values(Settings, given, ""), default_connection=default, connections=connections)
    if found := wrong(settings):
        raise Misconfigured(" ".join(found))
    return settings


def _tables(named: Any) -> dict[str, dict[str, Any]]:
    """The tables of the named connections; raises Misconfigured where they are none or a name cannot be a path."""
    if not isinstance(named, dict) or not all(isinstance(item, dict) for item in named.values()):
        raise Misconfigured("connections: expected tables such as [connections.mercy].")
    for name in named:
        if name == DEFAULT_CONNECTION or not name.replace("-", "").isalnum() or name in _RESERVED:
            raise Misconfigured(
                f"connections.{name}: a connection is named with letters, digits and hyphens, and not {name}."
            )
    return named
