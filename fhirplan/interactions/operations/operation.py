"""What an operation is: where it is called, with what, and by which canonical it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.interactions.values import Kind

OURS: Final = "http://fhirplan.dev/fhir/OperationDefinition/"
_R4: Final = "http://hl7.org/fhir/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Input:
    """One parameter of an operation; ``type`` is R4's name of it, ``many`` whether it may be repeated."""

    name: str
    type: str
    meaning: str
    needed: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation (R4 section 3.2.0). ``types`` are those it is for, empty for every type.

    ``at_system`` tells that it is for no type, but called at the base.
    ``methods`` are the HTTP methods it is called by. ``output`` is the type of what it gives. ``called`` is what stands
    after the ``$`` in its address where that is not ``code``. ``standard`` is R4's id of it, ``defined`` the canonical
    of what another guide defines.
    """

    code: Kind
    title: str
    meaning: str
    methods: tuple[Literal["GET", "HEAD", "POST"], ...]
    output: str
    types: tuple[str, ...] = ()
    at_type: bool = False
    at_instance: bool = True
    at_system: bool = False
    changes: bool = False
    inputs: tuple[Input, ...] = ()
    standard: str = ""
    called: str = ""
    defined: str = ""

    @property
    def url(self) -> str:
        """Its canonical: R4's own where R4 defines it."""
        return f"{_R4}{self.standard}" if self.standard else self.defined or f"{OURS}{self.id}"

    @property
    def id(self) -> str:
        """The id of its OperationDefinition here."""
        return f"{'System' if self.at_system else self.types[0] if self.types else 'Resource'}-{name(self)}"

    def serves(self, type_: str) -> bool:
        """Whether it is there for resources of a type."""
        return not self.at_system and (not self.types or type_ in self.types)


def name(operation: Operation) -> str:
    """What stands after the ``$`` in its address."""
    return operation.called or operation.code
