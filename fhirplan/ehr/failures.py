"""Says what an EHR's failure means: try again later, refused, or changed meanwhile.

The words go to people and into receipts; they name method and status, never a URL's query, a body or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
from urllib3.exceptions import HTTPError

from fhirplan.errors import EhrFailure, EhrRejected, EhrUnavailable, EhrVersionMismatch, Issue, MalformedRequest
from fhirplan.fhir import codec, outcome

LONGEST_RETRY_AFTER: Final = 3600.0
LATER: Final = "It is tried again later."
"""What passes do of themselves, and a command that asks once does not."""
_TRUST: Final = "If it is signed by a CA of your own, name that CA's file in the environment: REQUESTS_CA_BUNDLE."
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CREATED: Final = 201
_NEVER_TAKEN: Final = frozenset({401, 425, 429})
_WORDS: Final = {
    400: "it says the request is wrong",
    401: "it does not accept our credentials; check ehr_auth and ehr_token",
    403: "it does not let us do this; ask its administrator for the scope",
    404: "it has nothing there",
    405: "it does not offer this",
    406: "it does not speak JSON here",
    409: "this conflicts with what it holds",
    410: "it was deleted there",
    412: "a condition we set does not hold there",
    413: "it finds this too large",
    415: "it does not take JSON here",
    422: "it finds this resource not acceptable",
    429: "it asks us to call less often",
    501: "it does not offer this",
}


class BrokenBody(EhrUnavailable):
    """The answer broke off before its end."""


def unreachable(error: Exception, method: str) -> EhrUnavailable:
    """No answer at all; only a connection that was never made leaves no doubt about a write."""
    never_left = isinstance(error, requests.ConnectTimeout) or _never_connected(error)
    slow = isinstance(error, requests.Timeout)
    if isinstance(error, requests.exceptions.SSLError):
        text = f"The EHR's TLS certificate or version is not accepted here. {_TRUST} {LATER}"
    elif never_left:
        text = f"The EHR cannot be reached: {_not_made(error)}. Check ehr_url and the network. {LATER}"
    elif slow:
        text = f"The EHR did not answer {method} in time. {LATER}"
    else:
        text = f"The connection to the EHR broke before it answered {method}. {LATER}"
    return EhrUnavailable(
        _issue("timeout" if slow else "transient", text), outcome_unknown=_in_doubt(method, never_left)
    )


def _never_connected(error: BaseException) -> bool:
    """Whether the cause is a connection that was not made (refused, no such host), as opposed to one that broke."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    if not isinstance(error, requests.ConnectionError) or not error.args:
        return False
    cause = error.args[0]
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _not_made(error: Exception) -> str:
    """Why no connection was made, as far as the system tells it apart."""
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError

    cause = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(cause, NameResolutionError):
        return "its host name is not known here"
    if isinstance(cause.__cause__ if cause else None, ConnectionRefusedError):
        return "nothing listens at its address (connection refused)"
    if isinstance(cause, ConnectTimeoutError):
        return "nothing answers at its address"
    return "no connection could be made"


def broken_body(error: HTTPError, method: str) -> BrokenBody:
    """The answer broke off, or cannot be decoded."""
    text = f"The EHR's answer to {method} broke off ({type(error).__name__}). It is asked again later."
    return BrokenBody(_issue("transient", text), outcome_unknown=_in_doubt(method))


def too_slow(seconds: float, method: str) -> EhrUnavailable:
    """The answer was still arriving when its time was over."""
    text = f"The EHR took more than {seconds:g} s to answer {method}. It is tried again later."
    return EhrUnavailable(_issue("timeout", text), outcome_unknown=_in_doubt(method))


def too_large(limit: int, method: str) -> EhrUnavailable:
    """The answer was larger than we read."""
    text = f"The EHR's answer to {method} is larger than {limit} bytes. Ask for smaller pages."
    return EhrUnavailable(_issue("too-costly", text), outcome_unknown=_in_doubt(method))


def other_host(host: str) -> EhrRejected:
    """The EHR sent us to a host that is not its own; our token must not go there."""
    return EhrRejected(
        f"The EHR points to another host ({host}), which is not followed. "
        "If it has moved, set ehr_url to its new base.",
        status=0,
    )


def redirects_forever() -> EhrRejected:
    """The EHR redirects and redirects."""
    return EhrRejected("The EHR redirects in a circle. Set ehr_url to its FHIR base.", status=0)


def not_understood(method: str, what: str) -> EhrUnavailable:
    """A success that is no FHIR answer: an HTML page, no JSON, another resource than was asked for."""
    text = f"The EHR answered {method} with {what}, which is no FHIR answer. Check ehr_url; it is tried again later."
    return EhrUnavailable(_issue("transient", text), outcome_unknown=_in_doubt(method))


def of_status(method: str, status: int, headers: Mapping[str, str], body: bytes) -> EhrFailure:
    """What an answer with a status of 300 or more means for the request that got it."""
    said = operation_outcome(body)
    reason = _reason(status, said)
    if status in (409, 412) and method in ("PUT", "PATCH"):
        return EhrVersionMismatch(_issue("conflict", f"The EHR's copy has changed since we last saw it: {reason}"))
    if status == 412 and method == "DELETE":
        return EhrVersionMismatch(_issue("conflict", f"The EHR's copy has changed since we last saw it: {reason}"))
    if status in (401, 408, 425, 429) or (status >= 500 and status != 501):
        return EhrUnavailable(
            _issue("throttled" if status == 429 else "login" if status == 401 else "transient", reason),
            retry_after=_retry_after(headers),
            outcome_unknown=_in_doubt(method, status in _NEVER_TAKEN),
        )
    if 300 <= status < 400:
        reason = f"The EHR answered {method} with a redirect (HTTP {status}), which is not followed. Check ehr_url."
    return EhrRejected(_issue(_code(status), reason), status=status, outcome=said)


def check_taken(status: int, body: bytes) -> None:
    """Raises EhrRejected for a write answered as a success that says it failed; what got a 201 was created."""
    said = operation_outcome(body) if status != _CREATED else None
    failed = " ".join(item.text for item in outcome.issues(said) if item.is_error)
    if failed:
        text = f"The EHR answered HTTP {status}, and said that it failed: {failed[:500]}"
        raise EhrRejected(text, status=status, outcome=said)


def operation_outcome(body: bytes) -> dict[str, Any] | None:
    """The OperationOutcome in a body, or None when there is none."""
    try:
        value = codec.loads(body)
    except MalformedRequest:
        return None
    return value if isinstance(value, dict) and value.get("resourceType") == "OperationOutcome" else None


def _reason(status: int, said: dict[str, Any] | None) -> str:
    words = _WORDS.get(status) or ("it failed" if status >= 500 else "it refused")
    own = " ".join(item.text for item in outcome.issues(said) if item.is_error)
    return f"The EHR answered HTTP {status}: {words}." + (f" It says: {own[:500]}" if own else "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3), at most an hour; a date counts from the answer's own Date."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    until, said = _http_date(text), _http_date(headers.get("Date", ""))
    if until is None or said is None:
        return None
    return min(max((until - said).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _in_doubt(method: str, never_taken: bool = False) -> bool:
    return method in _WRITES and not never_taken


def _issue(code: str, text: str) -> Issue:
    return Issue("error", code, text)


def _code(status: int) -> str:
    return {403: "forbidden", 404: "not-found", 410: "deleted", 405: "not-supported", 501: "not-supported"}.get(
        status, "processing"
    )
