"""Reads what an operation is called with: its query, or the Parameters in its body (R4 section 3.2.0.3)."""

from __future__ import annotations

from typing import Any, Final

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.incoming import parsed
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Parameters

# Inputs that are resources; who takes one reads it from ``parameters``.
_RESOURCES: Final = frozenset({"planDefinition", "bundle"})


def inputs(services: Services, interaction: Interaction, *more: str) -> Parameters:
    """The plain inputs as names and texts, those of the body after those of the query.

    ``more`` are names that are taken besides the declared ones. Raises MalformedRequest for a name that the operation
    does not know, one that is missing, or one that comes twice.
    """
    operation = OPERATIONS[interaction.kind]
    names = (*(item.name for item in operation.inputs), *more)
    refuse_parameters(interaction, *names)
    given = [*interaction.parameters, *_of_body(services, interaction, names)]
    for item in operation.inputs:
        count = sum(name == item.name for name, _ in given)
        if item.needed and not count:
            raise MalformedRequest(f"{item.name} is missing: {item.meaning}.", expression=f"http.{item.name}")
        if count > 1 and not item.many:
            raise MalformedRequest(f"{item.name} is given {count} times; give it once.", expression=f"http.{item.name}")
    return tuple(given)


def _of_body(services: Services, interaction: Interaction, names: tuple[str, ...]) -> Parameters:
    if not interaction.body:
        return ()
    found = []
    for item in parameters(services, interaction):
        name = item.get("name")
        if name not in names:
            raise MalformedRequest(
                f"The Parameters have {str(name)[:80]!r}; taken are {', '.join(names) or 'none'}.",
                expression="Parameters.parameter",
            )
        values = [value for key, value in item.items() if key.startswith("value")]
        # A string that names a resource may come as the Reference it stands for.
        if len(values) == 1 and isinstance(values[0], dict) and isinstance(values[0].get("reference"), str):
            values = [values[0]["reference"]]
        if "resource" in item and item["name"] in _RESOURCES:
            continue
        if len(values) == 1 and isinstance(values[0], bool):
            values = [str(values[0]).lower()]
        if len(values) != 1 or isinstance(values[0], dict | list):
            raise MalformedRequest(f"{name} has no plain value.", expression="Parameters.parameter")
        found.append((str(name), str(values[0])))
    return tuple(found)


def parameters(services: Services, interaction: Interaction) -> list[dict[str, Any]]:
    """The entries of the Parameters resource in the body; raises MalformedRequest when it is none."""
    resource = parsed(services, interaction)
    listed = resource.get("parameter", [])
    if resource.get("resourceType") != "Parameters" or not isinstance(listed, list):
        raise MalformedRequest("An operation takes a Parameters resource.", expression="resourceType")
    if not all(isinstance(item, dict) for item in listed):
        raise MalformedRequest("Each parameter is an object with a name.", expression="Parameters.parameter")
    return listed
