"""Sends one HTTP request to an EHR and gives its whole answer, within bounds of time, size and origin.

A GET is tried again a few times with backoff, jitter and the Retry-After the EHR asks for; a write is sent once, since
only a look at the EHR can tell what became of a write whose reply was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from fhirplan.ehr import failures
from fhirplan.ehr.budget import Budget, Urgency, budget
from fhirplan.settings import LOOPBACK_HOSTS, Connection

MAX_ANSWER_BYTES: Final = 64 * 2**20
MAX_REDIRECTS: Final = 3
CONNECT_SECONDS: Final = 5.0
READ_ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 10
JSON_TYPE: Final = "application/fhir+json"
UNLIMITED: Final = Budget(0.0)
_CHUNK: Final = 65536
_NO_TOKEN: Final = 401
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Request:
    """What an EHR is asked: a whole URL, with the query that goes with it; the token is put on it when it is sent."""

    method: str
    url: str
    params: Mapping[str, str] | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The URL with its query in it."""
        return str(requests.Request(self.method, self.url, params=self.params).prepare().url)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an EHR answered: status, headers (case-insensitive) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Bearer(AuthBase):
    """Puts a token on each request; being an auth object, it also keeps a .netrc file from replacing it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            r.headers["Authorization"] = f"Bearer {self._token}"
        return r


class Renewed(AuthBase):
    """An authentication that can get a new token when the EHR does not accept the one it has."""

    def refused(self, header: str) -> None:
        """Told the Authorization header that the EHR did not accept."""
        raise NotImplementedError


# Told each request, and what came of it.
Observer = Callable[[Request, Answer | Exception], None]


@dataclass(slots=True)
class Counts:
    """Requests that were made, and those of them that came to nothing, over a transport and its twins."""

    calls: int = 0
    errors: int = 0


class Transport:
    """One pooled HTTP session to one EHR; not shared between threads.

    ``timeout`` is the seconds in which an answer must begin, and again those in which it must be complete; ``counts``
    has the requests asked for, without the repetitions of reads. ``observer`` is told each exchange. ``urgency`` says
    which calls go first where they have to wait.
    """

    def __init__(
        self,
        base: str,
        *,
        token: str = "",
        tokens: Renewed | None = None,
        timeout: float = 20.0,
        calls: Budget = UNLIMITED,
        max_bytes: int = MAX_ANSWER_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base.rstrip("/")
        self.timeout = timeout
        self.counts = Counts()
        self.observer: Observer | None = None
        self.urgency: Urgency = "push"
        self._max_bytes = max_bytes
        self._clock = clock
        self._session = requests.Session()
        self._tokens = tokens
        self._budget = calls
        self._session.auth = tokens or _Bearer(token)
        # A proxy of the environment must never see calls to an EHR on this machine.
        self._session.trust_env = (urlsplit(base).hostname or "") not in LOOPBACK_HOSTS
        self._session.headers["Accept"] = JSON_TYPE
        self._session.headers["User-Agent"] = "fhirplan"
        self._token = token
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=4, max_retries=_retries())
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def twin(self) -> Transport:
        """One more session of the same kind, for another thread; it shares tokens and the budget of calls."""
        made = Transport(
            self.base,
            token=self._token,
            tokens=self._tokens,
            timeout=self.timeout,
            calls=self._budget,
            max_bytes=self._max_bytes,
            clock=self._clock,
        )
        made.counts, made.observer = self.counts, self.observer
        return made

    @property
    def renews(self) -> bool:
        """Whether a token that is not accepted is renewed."""
        return self._tokens is not None

    def get(self, address: str, params: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET of a path below the base, or of a whole URL of the same origin.

        Raises EhrUnavailable when none comes, EhrRejected for a redirect or URL that leads to another host.
        """
        url = self._url(address)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._read_again(url, params)
            if answer.status not in _REDIRECTS:
                return answer
            url, params = self._url(urljoin(url, answer.headers.get("Location", ""))), None
        raise failures.redirects_forever()

    def write(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """The answer to a POST, PUT or DELETE, which is sent once.

        Raises EhrUnavailable when none comes, with ``outcome_unknown`` unless the request surely never left.
        """
        return self._once(Request(method, self._url(address), None, body, headers))

    def close(self) -> None:
        """Closes the pooled connections."""
        self._session.close()

    def _url(self, address: str) -> str:
        url = address if "://" in address else f"{self.base}/{address}"
        if origin(url) != origin(self.base):
            raise failures.other_host(urlsplit(url).hostname or "")
        return url

    def _read_again(self, url: str, params: Mapping[str, str] | None) -> Answer:
        """A GET whose body may break off: asked for once more, since reading has no effect."""
        try:
            return self._once(Request("GET", url, params))
        except failures.BrokenBody:
            return self._once(Request("GET", url, params))

    def _once(self, request: Request) -> Answer:
        """The answer; where the EHR no longer accepts our token, with a new one: what got a 401 had no effect."""
        answer, sent = self._sent(request)
        if answer.status == _NO_TOKEN and self._tokens is not None and sent:
            self._tokens.refused(sent)
            answer, _ = self._sent(request)
        return answer

    def _sent(self, request: Request) -> tuple[Answer, str]:
        """The answer, and the Authorization header it was asked with."""
        try:
            answer, header = self._exchanged(request)
        except Exception as error:
            self.counts.errors += 1
            if self.observer is not None:
                self.observer(request, error)
            raise
        self.counts.errors += answer.status == _TOO_MANY or answer.status >= _SERVER_ERRORS
        if self.observer is not None:
            self.observer(request, answer)
        return answer, header

    def _exchanged(self, request: Request) -> tuple[Answer, str]:
        self._budget.spend(self.urgency)
        self.counts.calls += 1
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Type"] = JSON_TYPE
        try:
            response = self._session.request(
                request.method,
                request.url,
                params=request.params,
                data=request.body,
                headers=headers,
                timeout=(min(CONNECT_SECONDS, self.timeout), self.timeout),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise failures.unreachable(error, request.method) from None
        except HTTPError as error:  # a Retry-After that cannot be read escapes requests' own mapping
            raise failures.unreachable(error, request.method) from None
        with response:
            answer = Answer(
                response.status_code,
                MappingProxyType(response.headers),
                self._body(response, request.method),
            )
            return answer, response.request.headers.get("Authorization", "")

    def _body(self, response: requests.Response, method: str) -> bytes:
        """The whole body; its time begins with the answer, so that waiting as Retry-After asks is not counted."""
        deadline = self._clock() + self.timeout
        parts: list[bytes] = []
        size = 0
        try:
            while part := response.raw.read1(_CHUNK, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > self._max_bytes:
                    raise failures.too_large(self._max_bytes, method)
                if self._clock() > deadline:
                    raise failures.too_slow(self.timeout, method)
        except HTTPError as error:
            raise failures.broken_body(error, method) from None
        return b"".join(parts)


def transport(connection: Connection, tokens: Renewed | None = None) -> Transport:
    """The transport of a configured connection, with the authentication it asks for."""
    token = connection.ehr_token if connection.ehr_auth == "bearer" else ""
    return Transport(
        connection.ehr_url, token=token, tokens=tokens, timeout=connection.ehr_timeout, calls=_calls(connection)
    )


def _calls(connection: Connection) -> Budget:
    return budget(connection.ehr_url, connection.ehr_calls_per_second)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL, the default port filled in."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port


def _retries() -> Retry:
    return Retry(
        total=READ_ATTEMPTS,
        connect=2,
        read=1,
        redirect=False,
        allowed_methods=frozenset({"GET"}),
        status_forcelist=(429, 502, 503, 504),
        backoff_factor=0.2,
        backoff_jitter=0.2,
        backoff_max=LONGEST_WAIT,
        retry_after_max=LONGEST_WAIT,
        raise_on_status=False,
    )
