"""What can go wrong with a patch: which operation it was, where, and what to do."""

from __future__ import annotations

from typing import Final, NamedTuple

from fhirplan.errors import InvalidResource, Issue, MalformedRequest, TooCostly

MAX_OPERATIONS: Final = 1000
MAX_ADDED: Final = 8 * 1024 * 1024


class FailedTest(InvalidResource):
    """An operation ``test`` found another value than the one it was given, so nothing was changed.

    It is an InvalidResource (422) and no VersionMismatch (412): RFC 5789 section 2.2 keeps 412 for the request's own
    headers, and a client that meets a 412 reads the resource again for its ETag, which would not help here.
    """

    code = "conflict"


class Refusal(NamedTuple):
    """Builds the errors of one operation: ``number`` counts from 0, ``what`` is as ``replace /status``."""

    number: int
    what: str

    def malformed(self, text: str) -> MalformedRequest:
        """The operation itself makes no sense."""
        return MalformedRequest(Issue("error", "invalid", f"{self._start} {text}"))

    def impossible(self, text: str, expression: str = "", code: str = "invalid") -> InvalidResource:
        """The operation does not fit the resource as it is."""
        return InvalidResource(Issue("error", code, f"{self._start} {text}", expression))

    def failed(self, text: str, expression: str = "") -> FailedTest:
        """The operation is a test, and it failed."""
        return FailedTest(Issue("error", "conflict", f"{self._start} {text}", expression))

    def costly(self, text: str) -> TooCostly:
        """The operation passes a limit."""
        return TooCostly(Issue("error", "too-costly", f"{self._start} {text}"))

    @property
    def _start(self) -> str:
        return f"Operation {self.number} of the patch ({self.what[:200]}):"


def expect_few(count: int, most: int) -> None:
    """Raises TooCostly when a patch has more operations than are carried out."""
    if count > most:
        raise TooCostly(f"The patch has {count} operations; at most {most} are carried out. Send it in parts.")


def expect_identity(before: object, after: object) -> None:
    """Raises InvalidResource when a patch would make it another resource: another type or id, or none at all."""
    if not isinstance(after, dict):
        raise InvalidResource("The patch would leave no resource. To remove the resource, delete it.")
    for name in ("resourceType", "id"):
        if isinstance(before, dict) and before.get(name) != after.get(name):
            raise InvalidResource(
                f"The patch would change {name}, which a patch cannot do. Leave it as it is, or create another "
                "resource.",
                expression=name,
            )
