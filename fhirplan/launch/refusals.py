"""What the authorization server refuses, as OAuth spells it (RFC 6749 sections 4.1.2.1 and 5.2)."""

from __future__ import annotations

from fhirplan.errors import Refused


class OAuthRefused(Refused):
    """A refusal that a client is told: ``error`` is OAuth's code, ``status`` the HTTP status where it is a response.

    ``basic`` says that the client tried HTTP Basic, which is then asked for again (RFC 6749 section 5.2).
    """

    def __init__(self, error: str, text: str, *, status: int = 400, basic: bool = False) -> None:
        super().__init__(text)
        self.error = error
        self.status = status
        self.basic = basic


class PageRefused(Refused):
    """A refusal that a person is shown on a page of ours, since there is nowhere safe to send the browser.

    ``key`` names the sentence in the catalogue of the pages' words (``refused.[key]``), ``because`` a second one that
    it quotes.
    """

    def __init__(self, key: str, *, because: str = "", status: int = 400) -> None:
        super().__init__(key)
        self.key = key
        self.because = because
        self.status = status


def invalid_client(text: str, *, basic: bool = False) -> OAuthRefused:
    """The client is not who it says, or does not prove it."""
    return OAuthRefused("invalid_client", text, status=401, basic=basic)
