"""Sends a notification to an address that a subscriber gave: pinned as in ``pinned``, bounded in time, no redirect."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Final, Literal

from urllib3.exceptions import HTTPError

from fhirplan.ehr.pinned import Unfetchable, place, pool

Method = Literal["POST", "PUT"]
_GRACE: Final = 1.0


def send(
    url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, loopback: bool, method: Method = "POST"
) -> int:
    """The status it is answered with; what the answer says is not read. Raises Unfetchable where there is none.

    Nothing of the address, the headers or the answer is in the error.
    """
    to = place(url, loopback=loopback)
    said: queue.SimpleQueue[int | Unfetchable] = queue.SimpleQueue()

    def work() -> None:
        try:
            with pool(to, seconds) as called:
                answer = called.request(
                    method,
                    to.path,
                    body=body,
                    headers={"User-Agent": "fhirplan", **headers, "Host": to.named},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                said.put(int(answer.status))
                answer.close()
        except Unfetchable as error:
            said.put(error)
        except (HTTPError, OSError, ValueError):
            said.put(Unfetchable("it is not answered"))

    # In a thread of its own, as neither a name server nor a header that comes byte by byte heeds any timeout.
    threading.Thread(target=work, name="notify", daemon=True).start()
    try:
        found = said.get(timeout=seconds + _GRACE)
    except queue.Empty:
        raise Unfetchable(f"it takes longer than {seconds:g} seconds") from None
    if isinstance(found, Unfetchable):
        raise found
    return found
