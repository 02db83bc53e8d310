"""Reaches an address that somebody else gave, at a host that was resolved once and is not inside our own network.

The name is resolved once and that address is called, so that it cannot change between the check and the call; private,
link-local and other special addresses are refused.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import certifi
import urllib3

from fhirplan.errors import Refused
from fhirplan.settings import LOOPBACK_HOSTS


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
        mapped = getattr(address, "ipv4_mapped", None) or address
        if near and mapped.is_loopback:
            continue
        inside = mapped.is_private and not (mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified)
        if mapped.is_multicast or not (mapped.is_global or (private and inside)):
            raise Unfetchable("its host is inside a private network")
    return min(found, key=lambda text: (":" in text, text))
