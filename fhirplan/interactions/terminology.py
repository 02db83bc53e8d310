"""What searches ask of terminology: the codes of a value set, and what is above and below a code."""

from __future__ import annotations

from functools import lru_cache

from fhirplan.search.context import Codes
from fhirplan.validation import Validator
from fhirplan.validation.codesystems import Concepts, read
from fhirplan.validation.valuesets import Terminology


@lru_cache(maxsize=4)
def codes_of(validator: Validator) -> Codes:
    """The terminology of the packages that a validator has."""
    return _Known(validator)


class _Known:
    """Answers for the value sets and code systems that are here; a name that is not here leaves no trace."""

    def __init__(self, validator: Validator) -> None:
        self._lookup = validator.definitions.terminology
        self._sets = Terminology(self._lookup)
        self._systems: dict[str, Concepts] = {}

    def expansion(self, valueset: str) -> frozenset[tuple[str, str]] | None:
        return self._sets.expansion(valueset) if self._is(valueset, "ValueSet") else None

    def below(self, system: str, code: str) -> frozenset[str] | None:
        found = self._concepts(system)
        return found.under(code) if found is not None else None

    def above(self, system: str, code: str) -> frozenset[str] | None:
        found = self._concepts(system)
        return found.above(code) if found is not None else None

    def _concepts(self, system: str) -> Concepts | None:
        if system not in self._systems and self._is(system, "CodeSystem"):
            resource = self._lookup(system)
            if resource is not None:
                self._systems[system] = read(resource)
        return self._systems.get(system)

    def _is(self, canonical: str, type_: str) -> bool:
        resource = self._lookup(canonical)
        return resource is not None and resource.get("resourceType") == type_
