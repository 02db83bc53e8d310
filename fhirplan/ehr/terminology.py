"""Asks a terminology server whether a value set holds a code: ValueSet/$validate-code (R4 ValueSet operations).

Only a code, its system and a value set's canonical are sent, never anything of a patient. Answers are kept for an hour;
a server that does not answer is left alone for a while, so that it slows down one write and not all of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from fhirplan.ehr.transport import Answer, Transport
from fhirplan.errors import FhirplanError
from fhirplan.fhir import codec
from fhirplan.validation.asking import Ask, NoAnswer, may_wait

MOST_KEPT: Final = 20_000
KEPT_SECONDS: Final = 3600.0
LEFT_ALONE_SECONDS: Final = 30.0
_MOST_BYTES: Final = 2**20
_NOT_THERE: Final = frozenset({"x-caused-by-unknown-system", "x-unknown-system"})
_BUSY: Final = frozenset({401, 403, 408, 429})

Question = tuple[str, str | None, str]


class TerminologyServer:
    """One terminology server; may be used from any thread.

    ``timeout`` is the seconds that all questions about one resource may take together.
    """

    def __init__(self, url: str, timeout: float = 2.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._kept: OrderedDict[Question, tuple[float, bool | None]] = OrderedDict()
        self._lock = threading.Lock()
        self._alone_until = -1.0
        self._local = threading.local()

    def opened(self) -> Ask:
        """Starts the questions about one resource; asking raises NoAnswer once their time is over."""
        deadline = self._clock() + self._timeout

        def ask(value_set: str, system: str | None, code: str) -> bool | None:
            return self._answer((value_set, system, code), deadline)

        return ask

    def _answer(self, question: Question, deadline: float) -> bool | None:
        now = self._clock()
        with self._lock:
            kept = self._kept.get(question)
            if kept is not None and now - kept[0] < KEPT_SECONDS:
                self._kept.move_to_end(question)
                return kept[1]
            if now < self._alone_until or not may_wait():
                raise NoAnswer
        if now >= deadline:
            raise NoAnswer
        try:
            held = _read(self._sent(question, deadline - now))
        except (FhirplanError, NoAnswer):
            with self._lock:
                self._alone_until = self._clock() + LEFT_ALONE_SECONDS
            raise NoAnswer from None
        with self._lock:
            self._kept[question] = (now, held)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return held

    def _sent(self, question: Question, seconds: float) -> Answer:
        value_set, system, code = question
        said = [{"name": "url", "valueUri": value_set}, {"name": "code", "valueCode": code}]
        if system is None:
            said.append({"name": "inferSystem", "valueBoolean": True})  # type: ignore[dict-item]
        else:
            said.append({"name": "system", "valueUri": system})
        body = codec.dumps({"resourceType": "Parameters", "parameter": said})
        transport = self._transport()
        transport.timeout = max(seconds / 2, 0.05)  # once for the answer to begin and once for it to end
        return transport.write("POST", "ValueSet/$validate-code", body, {})

    def _transport(self) -> Transport:
        """The session of this thread of this process; a forked worker must not share its parent's."""
        made = getattr(self._local, "transport", None)
        if made is None or made[0] != os.getpid():
            made = self._local.transport = (os.getpid(), Transport(self._url, max_bytes=_MOST_BYTES))
        transport: Transport = made[1]
        return transport


def _read(answer: Answer) -> bool | None:
    """What the server says; None for a value set or code system that it does not have. Raises NoAnswer."""
    if answer.status in _BUSY or answer.status >= 500:
        raise NoAnswer
    if answer.status != 200:
        return None
    said = codec.loads(answer.body)
    listed = said.get("parameter") if isinstance(said, dict) else None
    named = {one.get("name"): one for one in listed if isinstance(one, dict)} if isinstance(listed, list) else {}
    result = named.get("result", {}).get("valueBoolean")
    if result is True:
        return True
    return False if result is False and not _NOT_THERE & named.keys() else None
