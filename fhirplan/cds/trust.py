"""Finds out which EHR calls a CDS service, by the JWT it sends (CDS Hooks 2.0, Trusting CDS Clients)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fhirplan.access import token
from fhirplan.access.token import Expected, Key
from fhirplan.errors import InvalidToken, NotAuthenticated
from fhirplan.settings import Connection, Settings
from fhirplan.store.access import grants
from fhirplan.store.engine import Database
from fhirplan.telemetry import log

LONGEST: Final = 300
"""Seconds that such a JWT may be good for."""
LEEWAY: Final = 30
"""Seconds that the clocks may differ."""
_log: Final = log("cds")

KeysOf = Callable[[str, str], Sequence[Key]]
"""The public keys at an address that bear a key id; raises Refused when they cannot be had."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the issuer of its JWT ("" on an open server) and the connection that its ids belong to."""

    issuer: str
    connection: Connection


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: the clients that the settings name for each connection, and their keys."""

    settings: Settings
    database: Database
    keys: KeysOf
    clock: Callable[[], int]

    def caller(self, authorization: str, url: str, server: str = "") -> Caller:
        """The EHR that sent this Authorization header to ``url``; ``server`` is the fhirServer that it names.

        Raises InvalidToken, without saying why: whoever forges learns nothing, and the log has the reason.
        """
        if not authorization and self.settings.auth == "open":
            return Caller("", self._of_server(server) or self.settings.default_connection)
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.looks_like_jwt(text.strip()):
            raise NotAuthenticated("Send a JWT that your EHR signed as the Bearer token (CDS Hooks 2.0).")
        try:
            return self._verified(text.strip(), url)
        except InvalidToken as error:
            _log.info("refused", reason=error.text)
            raise InvalidToken("The JWT is not accepted here.") from None

    def _verified(self, text: str, url: str) -> Caller:
        issuer = token.issuer_of(text)
        found = next(
            ((item, keys) for item in self.settings.all_connections for iss, keys in clients(item) if iss == issuer),
            None,
        )
        if found is None:
            raise InvalidToken("No client with that issuer is registered in cds_clients.")
        connection, address = found
        expected = Expected(issuer, frozenset({url}), types=frozenset({"jwt"}), leeway=LEEWAY)
        claims = token.verify(text, self.keys(address, token.key_id(text)), expected, self.clock() / 1000)
        issued, ends = token.moment(claims, "iat"), token.moment(claims, "exp")
        if issued is None or ends is None or ends - issued > LONGEST:
            raise InvalidToken("It lives longer than five minutes, or does not say when it was made.")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= 255:
            raise InvalidToken("It has no jti.")
        with self.database.write() as tx:
            until = int((ends + LEEWAY) * 1000)
            if not grants.use_once(tx, f"cds {issuer}", jti, expires=until, now=self.clock()):
                raise InvalidToken("Its jti was used before.")
        return Caller(issuer, connection)

    def _of_server(self, server: str) -> Connection | None:
        return next((item for item in self.settings.all_connections if server and serves(item, server)), None)


def clients(connection: Connection) -> list[tuple[str, str]]:
    """The issuers that may call for a connection, each with the address of its keys."""
    split = (line.partition("=") for line in connection.cds_clients)
    return [(issuer.strip(), address.strip()) for issuer, _, address in split]


def serves(connection: Connection, server: str) -> bool:
    """Whether a fhirServer that a caller names is the connection's EHR; no other is ever asked."""
    return bool(connection.ehr_url) and connection.ehr_url.rstrip("/") == server.rstrip("/")
