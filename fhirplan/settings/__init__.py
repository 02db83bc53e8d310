"""Every setting: its name, meaning, default and check; read from a TOML file and FHIRPLAN_* variables over it.

``load()`` gives one frozen ``Settings``; an unknown key or a wrong value raises ``Misconfigured`` naming the key,
what was given and what is accepted. A setting is declared once, in ``server`` or, when it may differ from EHR to EHR,
in ``connection``; what only several of them together can break is in ``checks``. ``docs/reference/settings.md`` is
made from the declarations.
"""

from fhirplan.settings.checks import LOOPBACK_HOSTS
from fhirplan.settings.connection import DEFAULT_CONNECTION, Connection
from fhirplan.settings.loading import PREFIX, load
from fhirplan.settings.server import Settings
from fhirplan.settings.shipped import fixtures_folder, profiles_folder

__all__ = [
    "DEFAULT_CONNECTION",
    "LOOPBACK_HOSTS",
    "PREFIX",
    "Connection",
    "Settings",
    "fixtures_folder",
    "load",
    "profiles_folder",
]
