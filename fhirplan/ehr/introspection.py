"""Asks an authorization server what an opaque access token is (RFC 7662)."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from fhirplan.ehr.fetching import Form, Unfetchable, fetch
from fhirplan.ehr.keys import Key, signed
from fhirplan.errors import EhrUnavailable, Issue
from fhirplan.settings import LOOPBACK_HOSTS

MOST_BYTES: Final = 65_536
ASSERTION_SECONDS: Final = 240
AGAIN_SECONDS: Final = 5.0
"""After how long a caller may ask again whose token nobody could be asked about."""
AT_ONCE: Final = 8
"""Most questions that a process has under way at one address, so that made up tokens do not become a flood there."""
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Introspection:
    """One introspection endpoint and how we prove there who we are.

    ``key`` signs an assertion of ``client_id`` for the ``issuer`` (RFC 7523); without a key ``secret`` is sent as
    client_secret_basic; without both ``bearer`` as a bearer token. An answer may take ``seconds``.
    """

    url: str
    issuer: str
    client_id: str = ""
    key: Key | None = None
    secret: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    seconds: float = 5.0
    _free: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE), repr=False)

    def __call__(self, token: str) -> Mapping[str, Any]:
        """What the server says of a token; raises EhrUnavailable when it says nothing that can be relied on."""
        if not self._free.acquire(timeout=self.seconds):
            raise unknown("too many tokens wait for the same answer")
        try:
            near = (urlsplit(self.url).hostname or "") in LOOPBACK_HOSTS
            form = self._form(token)
            said = fetch(self.url, loopback=near, private=True, seconds=self.seconds, most=MOST_BYTES, form=form).value
        except Unfetchable as error:
            raise unknown(f"the EHR was asked and {error.text}") from None
        finally:
            self._free.release()
        if not isinstance(said.get("active"), bool):
            raise unknown("the EHR was asked and its answer is no introspection")
        return said

    def _form(self, token: str) -> Form:
        fields = {"token": token, "token_type_hint": "access_token"}
        if self.key is not None:
            return Form(fields | {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion(self.key)})
        if self.secret:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
            return Form(fields, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
        return Form(fields, {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {})

    def _assertion(self, key: Key) -> str:
        ends = int(time.time()) + ASSERTION_SECONDS
        own = self.client_id
        return signed(key, {"iss": own, "sub": own, "aud": self.issuer, "exp": ends, "jti": str(uuid.uuid4())})


def unknown(why: str) -> EhrUnavailable:
    """The error about a token of which nobody says what it is; the caller's token may be good."""
    text = f"Whether the access token is good could not be found out: {why}. Send the same again in a moment."
    return EhrUnavailable(Issue("error", "transient", text), retry_after=AGAIN_SECONDS)
