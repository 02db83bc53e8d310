"""Which language somebody reads our pages in: what they chose, else what their browser asks for."""

from __future__ import annotations

from typing import Final

from flask import Request
from werkzeug.wrappers import Response

from fhirplan.chart.words import LANGUAGES, Words, words
from fhirplan.web.sessions import SID

VIEW_COOKIE: Final = "fhirplan_view"
"""How somebody likes the pages: language, theme, time zone and keys, parted by bars; it says nothing of a patient."""
_YEAR: Final = 365 * 86400


def liked(asked: Request) -> list[str]:
    """The four parts of the cookie, each "" where it says nothing."""
    return (asked.cookies.get(VIEW_COOKIE, "") + "|||").split("|")[:4]


def language(asked: Request) -> Words:
    """The words of the language that the address asks for (``lang``), else the cookie, else the browser."""
    for name in (asked.args.get("lang", ""), liked(asked)[0]):
        if name in LANGUAGES:
            return words(name)
    return words(str(asked.accept_languages.best_match(LANGUAGES, LANGUAGES[0])))


def remember(answer: Response, asked: Request, parts: list[str]) -> None:
    """Has the browser keep these four parts; in a frame too, where it came by a launch."""
    secure = asked.is_secure or SID in asked.environ
    answer.set_cookie(
        VIEW_COOKIE,
        "|".join(part.replace("|", "") for part in parts),
        max_age=_YEAR,
        secure=secure,
        httponly=True,
        samesite="None" if secure else "Lax",
        partitioned=secure,
        path="/",
    )


def remember_language(answer: Response, asked: Request) -> None:
    """Has the browser keep the language that the address asks for, if it asks for one."""
    name = asked.args.get("lang", "")
    if name in LANGUAGES:
        remember(answer, asked, [name, *liked(asked)[1:]])
