"""Says what this server is and does, derived from the catalog and the settings (R4 section 3.1.0.14, capabilities)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from fhirplan import __version__
from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.fhir.codec import dumps
from fhirplan.fhir.dates import instant
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Kind, Reply
from fhirplan.settings import Settings

NOT_OF_A_TYPE: Final = frozenset({"capabilities", "bundle", "validate"})
_DEFINITIONS: Final = "http://hl7.org/fhir/OperationDefinition/Resource-validate"
_LIMITS: Final = (
    "A transaction or batch holds at most {entries} entries, a body at most {body} bytes, a page at most {page} "
    "resources. An unknown search parameter is an error."
)


def capabilities(services: Services, interaction: Interaction) -> Reply:
    """200 with the CapabilityStatement of the connection; raises MalformedRequest for a parameter."""
    refuse_parameters(interaction)
    known = _Facts.of(services.settings, interaction.base)
    if known not in _made:
        _made[known] = _statement(known, instant(services.clock()))
    return Reply(200, _made[known])


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a statement depends on besides the catalog."""

    base: str
    auth: str
    entries: int
    body: int
    page: int

    @classmethod
    def of(cls, settings: Settings, base: str) -> _Facts:
        return cls(base, settings.auth, settings.max_bundle_entries, settings.max_body_bytes, settings.max_count)


# Statements by what they depend on: each is made once a process, and its date is that of its making.
_made: Final[dict[_Facts, bytes]] = {}


def _statement(known: _Facts, date: str) -> bytes:
    return dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "publisher": "fhirplan",
            "kind": "instance",
            "software": {"name": "fhirplan", "version": __version__},
            "implementation": {"description": "Care plans, goals, tasks and care teams, shared", "url": known.base},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "rest": [_rest(known)],
        }
    )


def _rest(known: _Facts) -> dict[str, Any]:
    security = (
        "Open: everybody on this machine may do everything. For development only."
        if known.auth == "open"
        else "Everything but this statement needs a SMART access token."
    )
    return {
        "mode": "server",
        "documentation": _LIMITS.format(entries=known.entries, body=known.body, page=known.page),
        "security": {"cors": False, "description": security},
        "resource": [_resource(CATALOG[name]) for name in sorted(CATALOG)],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
    }


def _resource(spec: ResourceSpec) -> dict[str, Any]:
    codes = [kind for kind in get_args(Kind) if kind not in NOT_OF_A_TYPE]
    made: dict[str, Any] = {"type": spec.type}
    if spec.profile:
        made["supportedProfile"] = [spec.profile]
    made.update(
        {
            "interaction": [{"code": code} for code in codes],
            "versioning": "versioned",
            "readHistory": True,
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalRead": "not-match",
            "conditionalUpdate": False,
            "conditionalDelete": "not-supported",
            "referencePolicy": ["literal", "logical", "local"],
            "searchParam": [
                {"name": item.code, "definition": item.url, "type": item.type, "documentation": item.description}
                for item in spec.parameters
            ],
            "operation": [{"name": "validate", "definition": _DEFINITIONS}],
        }
    )
    return made
