"""Finds who sent a request that came by way of proxies: the address before the nearest that is none of ours.

X-Forwarded-For is what proxies write (RFC 7239 section 7.4 compares it with Forwarded): each appends the address that
it was called from. Whoever calls may begin that list with anything, so that it is read from its end, and only as far
as those who wrote it are trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADERS: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


def came_by_proxy(environ: Mapping[str, Any]) -> bool:
    """Whether a request says that a proxy brought it, so that its caller may be anywhere."""
    return any(name in environ for name in _HEADERS)


class BehindProxies:
    """A WSGI application before another one, which finds the caller's own address in REMOTE_ADDR."""

    def __init__(self, app: WSGIApplication, trusted: Iterable[str]) -> None:
        self._app = app
        self._trusted = [ipaddress.ip_network(item, strict=False) for item in trusted]

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The application's answer to the caller behind our proxies."""
        environ["REMOTE_ADDR"] = caller(
            environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), self._trusted
        )
        return self._app(environ, start_response)


def caller(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The address that called: the peer, or what the trusted among the proxies say of whom they were called by.

    What is no address ends the search at the proxy that passed it on: a wrong address is worse than a near one.
    """
    found = peer
    for text in reversed(forwarded.split(",")) if forwarded else ():
        if not _is_one_of(found, trusted):
            break
        before = _address(text.strip())
        if before is None:
            break
        found = str(before)
    return found


def _is_one_of(text: str, networks: Sequence[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text.startswith("[") or text.count(":") == 1:
        # With a port, as some proxies write it.
        text = text.rpartition(":")[0] if not text.endswith("]") else text
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
