"""Reaches an address that somebody else gave, at a host that was resolved once and is not inside our own network.

The name is resolved once and that address is called, so that it cannot change between the check and the call; private,
link-local and other special addresses are refused.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import certifi
import urllib3

from fhirplan.errors import Refused
from fhirplan.settings import LOOPBACK_HOSTS

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# NAT64 (RFC 6052) and IPv4-compatible addresses (RFC 4291), which end in an IPv4 address; Python calls them global.
_GATEWAYS: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_LOCAL_GATEWAY: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Translated inside one network only (RFC 8215)."""


class Unfetchable(Refused):
    """The address may not be called, or gives nothing of use; the text does not quote what the other side said."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads: scheme, host and port, the path with its query, and what the Host header says."""

    scheme: str
    host: str
    port: int
    path: str
    named: str
    near: bool


def place(url: str, *, loopback: bool) -> Place:
    """The parts of an https address; with ``loopback`` also of plain http on this machine. Raises Unfetchable."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    near = loopback and host in LOOPBACK_HOSTS
    if (parts.scheme != "https" and not near) or parts.scheme not in ("http", "https"):
        raise Unfetchable("its address is not https")
    if parts.username or parts.password or not host:
        raise Unfetchable("its address holds a user name, or no host")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Unfetchable("the port in its address is none") from None
    named = host if parts.port is None else f"{host}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port, path, named, near)


def pool(to: Place, seconds: float, *, private: bool = False) -> urllib3.HTTPConnectionPool:
    """Connections to a place, of whose host one address is called. Raises Unfetchable for one that may not be.

    ``private`` is for an address that whoever runs this server vouches for: it may lie in a private network.
    """
    address = _resolved(to.host, to.port, near=to.near, private=private)
    timeout = urllib3.Timeout(connect=seconds, read=seconds)
    if to.scheme == "http":
        return urllib3.HTTPConnectionPool(address, to.port, timeout=timeout)
    return urllib3.HTTPSConnectionPool(
        address,
        to.port,
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
        server_hostname=to.host,
        assert_hostname=to.host,
    )


def _resolved(host: str, port: int, *, near: bool, private: bool) -> str:
    """One address of a host, all of whose addresses may be called."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Unfetchable("its host is not known") from None
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        for reached in _reached(address):
            if near and reached.is_loopback:
                continue
            inside = reached.is_private and not (reached.is_loopback or reached.is_link_local or reached.is_unspecified)
            if reached.is_multicast or not (reached.is_global or (private and inside)):
                raise Unfetchable("its host is inside a private network")
    return min(found, key=lambda text: (":" in text, text))


def _reached(address: _Address) -> list[_Address]:
    """What is reached by an address: itself, and the IPv4 address that it carries where a gateway translates it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _LOCAL_GATEWAY:
        raise Unfetchable("its host is inside a private network")
    carries = any(address in network for network in _GATEWAYS) and int(address) > 1
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if carries else None
    return [item for item in (address, address.sixtofour, last) if item is not None]
