"""Keeps what is said between us and an EHR, and says it again without the EHR: for a bug that is to become a test.

A tape holds requests and answers as they were, without tokens: no Authorization header is ever on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import requests

from fhirplan.ehr import failures
from fhirplan.ehr.transport import Answer, Renewed, Request, Transport
from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable, FhirplanError, Issue

ANSWER_HEADERS: Final = ("Content-Type", "ETag", "Location", "Content-Location", "Retry-After")
Kind = Literal["", "unavailable", "broken", "rejected"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it; ``address`` is a whole URL with its query.

    ``failure`` says how it came to nothing, with the words of it in ``said``; else ``status`` and ``answer`` count.
    """

    method: str
    address: str
    asked: bytes | None
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    answer: bytes = b""
    failure: Kind = ""
    said: str = ""
    unknown: bool = False
    retry_after: float | None = None


class OffTheTape(FhirplanError):
    """Something was asked that the recording has no answer to: the program acts otherwise than it did."""

    code = "not-found"


def recording(via: Transport, keep: Callable[[Exchange], None]) -> None:
    """Has a transport and its later twins tell each exchange."""

    def told(request: Request, came: Answer | Exception) -> None:
        method, address, body = request.method, request.address, request.body
        if isinstance(came, Answer):
            named = tuple((name, came.headers[name]) for name in ANSWER_HEADERS if name in came.headers)
            keep(Exchange(method, address, body, came.status, named, came.body))
        else:
            keep(_failed(method, address, body, came))

    via.observer = told


def _failed(method: str, address: str, body: bytes | None, error: Exception) -> Exchange:
    said = error.text if isinstance(error, FhirplanError) else type(error).__name__
    if isinstance(error, EhrUnavailable):
        kind: Kind = "broken" if isinstance(error, failures.BrokenBody) else "unavailable"
        return Exchange(
            method,
            address,
            body,
            failure=kind,
            said=said,
            unknown=error.outcome_unknown,
            retry_after=error.retry_after,
        )
    return Exchange(method, address, body, failure="rejected", said=said)


class _Anybody(Renewed):
    """Stands for the tokens of the recorded run, which are not on the tape."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r

    def refused(self, header: str) -> None:
        """The next answer on the tape is that to the new token."""


class Player(Transport):
    """Answers as the tape says. An exchange is played once; of several that fit, the first.

    ``played`` is called with the number of each exchange on the tape. What is asked in another order, as by several
    threads, is found all the same.
    """

    def __init__(
        self, base: str, tape: Sequence[Exchange], played: Callable[[int], None], *, renews: bool = False
    ) -> None:
        super().__init__(base, tokens=_Anybody() if renews else None)
        self._tape = tape
        self._played = played
        self._left = _Left(tape)

    def twin(self) -> Transport:
        """One more of the same tape, for another thread."""
        made = Player(self.base, (), self._played, renews=self._tokens is not None)
        made._tape, made._left, made.counts = self._tape, self._left, self.counts
        return made

    def _exchanged(self, request: Request) -> tuple[Answer, str]:
        self.counts.calls += 1
        number = self._left.take(request.method, request.address, request.body)
        found = self._tape[number]
        self._played(number)
        if found.failure:
            raise _error(found)
        return Answer(found.status, requests.structures.CaseInsensitiveDict(found.headers), found.answer), "recorded"


class _Left:
    """Which exchanges were not played yet, by what was asked."""

    def __init__(self, tape: Sequence[Exchange]) -> None:
        self._tape = tape
        self._waiting: dict[tuple[str, str], list[int]] = {}
        self._lock = threading.Lock()
        for number, item in enumerate(tape):
            self._waiting.setdefault((item.method, item.address), []).append(number)

    def take(self, method: str, address: str, body: bytes | None) -> int:
        """The number of the exchange to play; raises OffTheTape when there is none left for what is asked."""
        with self._lock:
            numbers = self._waiting.get((method, address))
            if not numbers:
                raise OffTheTape(f"The recording has no answer left to {method} {address}: this run acts otherwise.")
            same = next((number for number in numbers if self._tape[number].asked == body), numbers[0])
            numbers.remove(same)
            return same


def _error(found: Exchange) -> EhrFailure:
    issue = Issue("error", "transient", found.said)
    match found.failure:
        case "broken":
            return failures.BrokenBody(issue, outcome_unknown=found.unknown, retry_after=found.retry_after)
        case "rejected":
            return EhrRejected(Issue("error", "processing", found.said), status=found.status)
        case _:
            return EhrUnavailable(issue, outcome_unknown=found.unknown, retry_after=found.retry_after)


def as_json(item: Exchange) -> dict[str, Any]:
    """An exchange as JSON values; bodies are text, as FHIR's JSON is."""
    return {
        "method": item.method,
        "address": item.address,
        "asked": item.asked.decode("utf-8", "surrogateescape") if item.asked is not None else None,
        "status": item.status,
        "headers": [list(pair) for pair in item.headers],
        "answer": item.answer.decode("utf-8", "surrogateescape"),
        "failure": item.failure,
        "said": item.said,
        "unknown": item.unknown,
        "retryAfter": item.retry_after,
    }


def of_json(value: Mapping[str, Any]) -> Exchange:
    """An exchange from its JSON values. Raises KeyError, TypeError or ValueError for anything else."""
    asked = value["asked"]
    return Exchange(
        str(value["method"]),
        str(value["address"]),
        asked.encode("utf-8", "surrogateescape") if asked is not None else None,
        int(value["status"]),
        tuple((str(name), str(text)) for name, text in value["headers"]),
        str(value["answer"]).encode("utf-8", "surrogateescape"),
        value["failure"],
        str(value["said"]),
        bool(value["unknown"]),
        float(value["retryAfter"]) if value["retryAfter"] is not None else None,
    )
