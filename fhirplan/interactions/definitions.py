"""Serves what defines this server's operations and search parameters, as resources made from the declarations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhirplan.catalog import CATALOG, COMMON, SearchParameter
from fhirplan.errors import NotFound
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.address import SHIPPED
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.operations.operation import OURS, Input, Operation, name
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.shipped import matching, search_parameters, shipped
from fhirplan.interactions.values import Interaction, Reply


def definition_read(services: Services, interaction: Interaction) -> Reply:
    """200 with the definition of that id; raises NotFound."""
    refuse_parameters(interaction)
    if interaction.type in SHIPPED:
        known = shipped(services, interaction.type).get(interaction.id)
        found = dumps(known) if known is not None else None
    else:
        found = _all(interaction.type).get(interaction.id)
    if found is None:
        raise NotFound(f"There is no {interaction.type}/{interaction.id} here. /{interaction.type} lists them all.")
    return Reply(200, found)


def definition_search(services: Services, interaction: Interaction) -> Reply:
    """200 with all definitions of a type. What is made is searched by nothing, what is shipped by its url, name,
    title, version and status; raises MalformedRequest, InvalidSearch for any other parameter."""
    if interaction.type in SHIPPED:
        listed_here = matching(services, interaction.type, interaction.parameters)
        found: Mapping[str, bytes] = {id_: dumps(item) for id_, item in listed_here}
    else:
        refuse_parameters(interaction)
        found = _all(interaction.type)
    links = [("self", f"{interaction.base}/{interaction.type}")]
    listed = ((interaction.type, id_, body) for id_, body in found.items())
    return Reply(200, searchset(interaction.base, listed, links, len(found)))


@cache
def _all(type_: str) -> Mapping[str, bytes]:
    made = _operations() if type_ == "OperationDefinition" else _parameters()
    return {item["id"]: dumps(item) for item in made}


def _operations() -> list[dict[str, Any]]:
    return [_operation(item) for item in OPERATIONS.values()]


def _operation(item: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "OperationDefinition",
        "id": item.id,
        "url": OURS + item.id,
        "name": _camel(item.id),
        "title": item.title,
        "status": "active",
        "kind": "operation",
        "affectsState": item.changes,
        "description": item.meaning,
        "code": name(item),
    }
    if item.standard:
        made["base"] = item.url
    if not item.at_system:
        made["resource"] = list(item.types) or sorted(CATALOG)
    made.update({"system": item.at_system, "type": item.at_type, "instance": item.at_instance})
    made["parameter"] = [*(_input(one) for one in item.inputs), _output(item)]
    return made


def _input(one: Input) -> dict[str, Any]:
    return {
        "name": one.name,
        "use": "in",
        "min": int(one.needed),
        "max": "*" if one.many else "1",
        "documentation": one.meaning,
        "type": one.type,
    }


def _output(item: Operation) -> dict[str, Any]:
    return {"name": "return", "use": "out", "min": 1, "max": "1", "type": item.output}


def _parameters() -> list[dict[str, Any]]:
    common = [_parameter("Resource", item) for item in COMMON]
    common += [_parameter(type_, item) for type_ in SHIPPED for item in search_parameters(type_)]
    return common + [_parameter(type_, item) for type_ in sorted(CATALOG) for item in CATALOG[type_].search]


def _parameter(type_: str, item: SearchParameter) -> dict[str, Any]:
    id_ = f"{type_}-{item.code.removeprefix('_')}"
    made: dict[str, Any] = {
        "resourceType": "SearchParameter",
        "id": id_,
        "url": item.url,
        "name": _camel(id_),
        "status": "active",
        "description": item.description or f"{item.code} of a {type_}",
        "code": item.code,
        "base": [type_],
        "type": item.type,
    }
    if item.expression:
        made["expression"] = item.expression
    if item.targets:
        made["target"] = list(item.targets)
    return made


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in text.replace("_", "-").split("-"))
