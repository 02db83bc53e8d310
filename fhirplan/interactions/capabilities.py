"""Says what this server is and does, derived from the catalog and the settings (R4 section 3.1.0.14, capabilities)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fhirplan import __version__
from fhirplan.catalog import CATALOG, TOPICS, ResourceSpec, SearchParameter
from fhirplan.catalog.search import MOST_USED, includes, modifiers_of, revincludes
from fhirplan.errors import MalformedRequest
from fhirplan.fhir.codec import dumps, loads
from fhirplan.fhir.dates import instant
from fhirplan.fhir.subscription_status import EXTENSION
from fhirplan.interactions.address import AUDIT, SHIPPED, TYPES
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.operations.operation import Operation
from fhirplan.interactions.operations.operation import name as operation_name
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import search_parameters
from fhirplan.interactions.shown import SHOWN, asked, cut
from fhirplan.interactions.values import Interaction, Kind, Reply
from fhirplan.settings import Connection, Settings

# The codes that R4 has for what is done with a type and with the whole (ValueSets type- and
# system-restful-interaction), in its order.
OF_A_TYPE: Final[tuple[Kind, ...]] = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICES: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_TOPIC: Final = EXTENSION + "capabilitystatement-subscriptiontopic-canonical"
_MODES: Final = ("full", "normative", "terminology")
OF_THE_SYSTEM: Final = ("transaction", "batch", "search-system", "history-system")
_LIMITS: Final = (
    "A transaction or batch holds at most {entries} entries, a body at most {body} bytes, a page at most {page} "
    "resources, to which includes add at most {included}; a search names at most {values} values and leads on at most "
    "{chain} times; JSON and XML are read {depth} levels deep. An unknown search parameter is an error unless "
    "Prefer: handling=lenient passes over it. A request body may come as gzip, and an answer goes as gzip to whoever "
    "takes it. Patient/[id]/[type] searches what belongs to a patient, Patient/[id]/* all of it, by GET or by a form "
    "at _search below them; that a Task belongs to a patient, by whom it is for, is this server's own."
)


def capabilities(services: Services, interaction: Interaction) -> Reply:
    """200 with the CapabilityStatement of the connection, or the part that _summary or _elements asks for.

    It is the same in each ``mode``, as R4 section 3.1.0.14 allows. Raises MalformedRequest for another parameter.
    """
    refuse_parameters(interaction, "mode", *SHOWN)
    for name, text in interaction.parameters:
        if name == "mode" and text not in _MODES:
            raise MalformedRequest(f"mode is {text[:40]!r}; it is one of {', '.join(_MODES)}.", expression="http.mode")
    known = _Facts.of(services.settings, interaction.base, services.connection(interaction))
    if known not in _made:
        _made[known] = _statement(known, instant(services.clock()))
    made = cut(asked(interaction, "CapabilityStatement"))
    return Reply(200, _made[known] if made is None else dumps(made(loads(_made[known]))))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a statement depends on besides the catalog."""

    base: str
    auth: str
    authority: str
    signs_in: bool
    entries: int
    body: int
    page: int
    depth: int
    included: int
    values: int
    chain: int

    @classmethod
    def of(cls, settings: Settings, base: str, connection: Connection) -> _Facts:
        return cls(
            base,
            settings.auth,
            f"{settings.base_url.rstrip('/')}/auth",
            settings.auth == "open" or bool(connection.launch_client_id and connection.ehr_url),
            settings.max_bundle_entries,
            settings.max_body_bytes,
            settings.max_count,
            settings.max_depth,
            settings.max_included,
            settings.max_search_values,
            settings.max_chain,
        )


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
            "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
            "patchFormat": ["application/json-patch+json", "application/fhir+json", "application/fhir+xml"],
            "rest": [_rest(known)],
        }
    )


def _rest(known: _Facts) -> dict[str, Any]:
    security = (
        "Open: everybody on this machine may do everything. For development only."
        if known.auth == "open"
        else "Everything but this statement and the definitions it refers to needs a SMART access token."
    )
    return {
        "mode": "server",
        "documentation": _LIMITS.format(
            entries=known.entries,
            body=known.body,
            depth=known.depth,
            page=known.page,
            included=known.included,
            values=known.values,
            chain=known.chain,
        ),
        "security": {**_security(known), "description": security},
        "resource": [
            *(_resource(CATALOG[name]) for name in sorted(CATALOG)),
            *(_definitions(name) for name in TYPES),
            {
                "type": AUDIT,
                "interaction": [{"code": "read"}, {"code": "search-type"}],
                "searchParam": [
                    {"name": "patient", "type": "reference", "documentation": "Whose record was accessed"},
                    {"name": "date", "type": "date", "documentation": "When it was accessed"},
                ],
            },
        ],
        "interaction": [{"code": code} for code in OF_THE_SYSTEM],
        "operation": [_claimed(item) for item in OPERATIONS.values() if item.at_system],
        "searchParam": [
            {"name": name, "type": "special", "documentation": said} for name, said in sorted(MOST_USED.items())
        ],
        "compartment": ["http://hl7.org/fhir/CompartmentDefinition/patient"],
    }


def _definitions(type_: str) -> dict[str, Any]:
    """What is claimed of a type of definition, which is only read, and of what is done with it."""
    made: dict[str, Any] = {"type": type_, "interaction": [{"code": "read"}, {"code": "search-type"}]}
    if type_ in SHIPPED:
        made["searchParam"] = [_parameter(item) for item in search_parameters(type_)]
    operations = [item for item in OPERATIONS.values() if type_ in item.types]
    if operations:
        made["operation"] = [_claimed(item) for item in operations]
    return made


def _claimed(item: Operation) -> dict[str, str]:
    return {"name": operation_name(item), "definition": item.url, "documentation": item.meaning}


def _security(known: _Facts) -> dict[str, Any]:
    """Where tokens are to be had, as clients of before smart-configuration look for it (SMART App Launch 1.0)."""
    places = {"token": "token", "revoke": "revoke", "introspect": "introspect"}
    if known.signs_in:
        places = {"authorize": "authorize", **places}
    return {
        "extension": [
            {
                "url": _OAUTH_URIS,
                "extension": [{"url": name, "valueUri": f"{known.authority}/{path}"} for name, path in places.items()],
            }
        ],
        "cors": True,
        "service": [{"coding": [{"system": _SERVICES, "code": "SMART-on-FHIR"}]}],
    }


def _parameter(item: SearchParameter) -> dict[str, Any]:
    takes = modifiers_of(item)
    said = f"{item.description}. Modifiers: {' '.join(takes)}" if takes else item.description
    return {"name": item.code, "definition": item.url, "type": item.type, "documentation": said}


def _resource(spec: ResourceSpec) -> dict[str, Any]:
    made: dict[str, Any] = {"type": spec.type}
    if spec.profile:
        made["supportedProfile"] = [spec.profile]
    if spec.type == "Subscription":
        made["extension"] = [{"url": _TOPIC, "valueCanonical": topic} for topic in TOPICS]
        made["supportedProfile"] = [EXTENSION + "backport-subscription"]
    made.update(
        {
            "interaction": [{"code": code} for code in OF_A_TYPE],
            "versioning": "versioned",
            "readHistory": True,
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalRead": "full-support",
            "conditionalUpdate": True,
            "conditionalDelete": "single",
            "referencePolicy": ["literal", "logical", "local"],
            "searchInclude": list(includes(spec)),
            "searchRevInclude": list(revincludes(spec.type)),
            "searchParam": [_parameter(item) for item in spec.parameters],
            "operation": [_claimed(item) for item in OPERATIONS.values() if item.serves(spec.type)],
        }
    )
    return made
