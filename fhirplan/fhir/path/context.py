"""What an expression may ask its caller for: the resource around it, references, value sets, the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fhirplan.fhir.path.failures import NotEvaluable

Resolve = Callable[[str], dict[str, Any] | None]
Tell = Callable[[Any, str], bool | None]

MAX_STEPS: Final = 2_000_000


class Meter:
    """Counts the items an evaluation goes through, so that one which multiplies them ends."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_STEPS) -> None:
        self.left = left

    def spend(self, items: int) -> None:
        """Counts so many items; raises NotEvaluable when the allowance is used up."""
        self.left -= items
        if self.left < 0:
            raise NotEvaluable(f"The evaluation goes through more than {MAX_STEPS} items.")


@dataclass(frozen=True, slots=True)
class Context:
    """Everything outside the focus that an evaluation reads.

    ``resource`` and ``root`` are ``%resource`` and ``%rootResource`` (the focus when None; the root is the resource
    when None). ``resolve`` gives the resource at a literal reference that is neither contained nor a fragment, or
    None. ``member_of`` and ``conforms_to`` answer ``memberOf(valueSet)`` and ``conformsTo(profile)`` for an item,
    None when they cannot tell. ``type_of`` names the type of an element where the JSON alone does not
    tell: ``type_of("Patient", "birthDate")`` is ``"date"``. ``now`` is the time for ``now()``, ``today()`` and
    ``timeOfDay()``. ``variables`` holds further ``%name`` values.

    The rest is set by an evaluation itself: ``focus`` (``%context``), ``index`` and ``total`` of the loop it is in,
    and the ``meter`` that bounds it.
    """

    resource: Any = None
    root: Any = None
    resolve: Resolve | None = None
    member_of: Tell | None = None
    conforms_to: Tell | None = None
    type_of: Callable[[str, str], str | None] | None = None
    now: datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    focus: Any = None
    index: int | None = None
    total: tuple[Any, ...] = ()
    meter: Meter | None = None

    def spend(self, items: int) -> None:
        """Counts items against the bound of this evaluation, if it has one."""
        if self.meter is not None:
            self.meter.spend(items)

    def at(self, index: int | None, total: tuple[Any, ...] = ()) -> Context:
        """The same inside a loop."""
        return self._with(self.resource, self.focus, index, total, self.meter)

    def on(self, focus: Any) -> Context:
        """The same for an evaluation on a focus: ``%context`` is the focus, and ``%resource`` where there is none."""
        resource = self.resource if self.resource is not None else focus
        return self._with(resource, focus, self.index, self.total, self.meter)

    def metered(self) -> Context:
        """The same with a bound on the items gone through, if it has none yet."""
        return (
            self if self.meter is not None else self._with(self.resource, self.focus, self.index, self.total, Meter())
        )

    def _with(
        self, resource: Any, focus: Any, index: int | None, total: tuple[Any, ...], meter: Meter | None
    ) -> Context:
        # In place of dataclasses.replace, which takes three times as long.
        return Context(
            resource,
            self.root,
            self.resolve,
            self.member_of,
            self.conforms_to,
            self.type_of,
            self.now,
            self.variables,
            focus,
            index,
            total,
            meter,
        )


EMPTY: Final = Context()
