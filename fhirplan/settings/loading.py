"""Reads the settings from the TOML file, the environment and whoever starts the program, and checks them."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fhirplan.errors import Misconfigured
from fhirplan.settings.connection import DEFAULT_CONNECTION, Connection, connection_keys
from fhirplan.settings.declaring import unknown
from fhirplan.settings.server import Settings

PREFIX: Final = "FHIRPLAN_"
_NOT_SETTINGS: Final = (f"{PREFIX}CONFIG", f"{PREFIX}TEST_")
# A connection is served at /NAME/fhir, so its name must not be that of another path of the server.
_RESERVED: Final = frozenset({"fhir", "auth", "chart", "cds-services", "healthz", "readyz", "metrics", "static"})


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings in force: defaults, then the TOML file, then FHIRPLAN_* variables, then ``overrides``.

    The file is ``$FHIRPLAN_CONFIG``, or ``fhirplan.toml`` in the working folder when there is one.
    Raises Misconfigured, naming each wrong key.
    """
    environ = os.environ if environ is None else environ
    return _checked({**_from_file(environ), **_from_environment(environ), **overrides})


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(f"{PREFIX}CONFIG")
    path = Path(named or "fhirplan.toml")
    if not named and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The settings file {path} is not TOML: {error}.") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    known = {item.name for item in dataclasses.fields(Settings)} - {"default_connection", "connections"}
    known |= set(connection_keys())
    given = {}
    for name, text in environ.items():
        if name.startswith(PREFIX) and not name.startswith(_NOT_SETTINGS):
            key = name.removeprefix(PREFIX).lower()
            if key not in known:
                raise Misconfigured(unknown(name, key, known))
            given[key] = text
    return given


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
