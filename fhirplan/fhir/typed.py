"""Typed views of plain dicts: the only import of fhir.resources, for code that wants objects (never for storing).

The library has no R4 models any more; its R4B is the same for our types but for one choice, ``subjectCanonical``,
which is refused here. Its models change what they read (decimals, times), so the dict stays the truth.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from fhirplan.errors import InvalidResource, Issue
from fhirplan.fhir import structure

if TYPE_CHECKING:
    from pydantic import BaseModel

_NOT_R4: Final = ("subjectCanonical", "_subjectCanonical")
_SUBJECT_TYPES: Final = frozenset({"PlanDefinition", "ActivityDefinition"})


def model_class(type_: str) -> type[BaseModel]:
    """The R4B model class of a resource or data type; raises InvalidResource for a type the library does not have."""
    if not structure.kind(type_):
        raise InvalidResource(Issue("error", "structure", f"{type_[:64]!r} is no R4 type."))
    try:
        module = importlib.import_module("fhir.resources.R4B")
        found: type[BaseModel] = module.get_fhir_model_class(type_)
    except (LookupError, ValueError, ImportError):
        raise InvalidResource(Issue("error", "not-supported", f"There is no typed view of {type_}.")) from None
    return found


def view(resource: dict[str, Any]) -> Any:
    """The model of a resource, to read or to build on.

    Raises InvalidResource with the library's findings where the resource does not fit. It checks less than our own
    validation (no codes, targets or invariants).
    """
    from pydantic import ValidationError

    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or type_ not in structure.resource_types():
        raise InvalidResource(Issue("error", "structure", "resourceType is missing or names no R4 resource type."))
    _refuse_not_r4(resource, type_)
    try:
        return model_class(type_).model_validate(resource)
    except ValidationError as error:
        raise InvalidResource(tuple(_issue(type_, one["loc"], one["msg"]) for one in error.errors())) from None
    except LookupError as error:  # an unknown contained or entry type comes out as a bare KeyError
        raise InvalidResource(
            Issue("error", "structure", f"A resource inside is of a type that is unknown: {str(error)[:80]}.", type_)
        ) from None


def _refuse_not_r4(resource: dict[str, Any], type_: str) -> None:
    if type_ in _SUBJECT_TYPES:
        for name in _NOT_R4:
            if name in resource:
                raise InvalidResource(
                    Issue(
                        "error",
                        "structure",
                        "subjectCanonical is of R4B, not R4. Use subjectReference or subjectCodeableConcept.",
                        f"{type_}.{name.removeprefix('_')}",
                    )
                )


def _issue(type_: str, place: tuple[int | str, ...], message: str) -> Issue:
    path = type_
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return Issue("error", "structure", message[:300], path)
