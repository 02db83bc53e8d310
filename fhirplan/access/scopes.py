"""Reads, writes and narrows OAuth scopes: SMART v1 and v2 resource scopes, launch context, identity.

SMART App Launch 2.2, Scopes for requesting FHIR Resources. A scope that is not understood grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, cast
from urllib.parse import quote, unquote_plus

Level = Literal["patient", "user", "system"]

LETTERS: Final = "cruds"
"""Create, read, update, delete, search, in the order in which they are written."""
INTROSPECTION: Final = "introspection"
"""Lets a program ask what others' tokens are (RFC 7662 section 2.1), as a resource server that takes them must."""
PERSONAL: Final = frozenset({"openid", "fhirUser", "profile", "online_access", "offline_access", INTROSPECTION})
"""The scopes about who is there, for how long and what for, which give no access to resources."""
BY_NAME: Final = frozenset({"AuditEvent"})
"""Types that ``*`` does not stand for, since who read what is nobody's business but an auditor's."""
MOST: Final = 200
LONGEST: Final = 8000

_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_URI: Final = "http://smarthealthit.org/fhir/scopes/"
_RESOURCE: Final = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.([a-z*]{1,8})(?:\?(.+))?")
_V2: Final = re.compile(r"c?r?u?d?s?")
_LAUNCH: Final = re.compile(r"launch(?:/[a-z]{1,64}(?:\?role=[!#-\[\]-~]{1,200})?)?")
# RFC 6749 section 3.3, scope-token.
_TOKEN: Final = re.compile(r"[!#-\[\]-~]+")
# A plain parameter: no modifier, no chain. Of those that all types have, those that say something of the resource.
_PARAMETER: Final = re.compile(r"[a-z][A-Za-z0-9\-]{0,63}|_id|_profile|_security|_tag")


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope: at a ``level``, for a ``type`` (``*`` for every one), with ``letters`` of ``LETTERS``.

    ``query`` are the conditions that a resource must all fulfil, decoded. ``first`` says that it was asked for in the
    words of SMART v1.
    """

    level: Level
    type: str
    letters: str
    query: tuple[tuple[str, str], ...] = ()
    first: bool = False

    @property
    def text(self) -> str:
        """The scope as it is written, in the words of v1 where it came in these and they still say it."""
        word = next((name for name, letters in _V1.items() if letters == self.letters), "") if self.first else ""
        query = "&".join(f"{quote(name)}={quote(value, safe=_PLAIN)}" for name, value in self.query)
        return f"{self.level}/{self.type}.{word or self.letters}{'?' + query if query else ''}"

    def covers(self, type: str, letter: str) -> bool:
        """Whether it speaks of what is done with a type by that letter."""
        return letter in self.letters and self.type in _standing_for(type)


_PLAIN: Final = ":/|,.~-_$@!*()'"


@dataclass(frozen=True, slots=True)
class Scopes:
    """A set of scopes: what may be done with resources, launch context, identity, and what was ``refused``.

    ``refused`` holds what is unknown or malformed, as it came; nothing of it grants anything.
    """

    resources: tuple[Scope, ...] = ()
    launch: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def text(self) -> str:
        """The scopes that count, separated by blanks, each once."""
        return " ".join(dict.fromkeys((*self.launch, *self.personal, *(item.text for item in self.resources))))

    def covering(self, type: str, letter: str) -> tuple[Scope, ...]:
        """The resource scopes that speak of what is done with a type by that letter."""
        return tuple(item for item in self.resources if item.covers(type, letter))

    def has_level(self, level: Level) -> bool:
        """Whether there is a resource scope of that level."""
        return any(item.level == level for item in self.resources)


def parse(text: str) -> Scopes:
    """The scopes that a text names. Never raises: what it does not understand is ``refused``."""
    if len(text) > LONGEST:
        return Scopes(refused=("too long",))
    listed = list(dict.fromkeys(text.split()))
    if len(listed) > MOST:
        return Scopes(refused=("too many",))
    resources: list[Scope] = []
    launch: list[str] = []
    personal: list[str] = []
    refused: list[str] = []
    for item in listed:
        word = item.removeprefix(_URI)
        scope = resource_scope(word)
        if scope is not None:
            resources.append(scope)
        elif word in PERSONAL:
            personal.append(word)
        elif _LAUNCH.fullmatch(word):
            launch.append(word)
        else:
            refused.append(item)
    return Scopes(_each_once(resources), tuple(launch), tuple(personal), tuple(refused))


def resource_scope(text: str) -> Scope | None:
    """The resource scope that a text spells, or None: for letters out of order, a chain or modifier in its query …"""
    found = _RESOURCE.fullmatch(text) if _TOKEN.fullmatch(text) else None
    if found is None:
        return None
    level, type_, access = cast(Level, found[1]), found[2], found[3]
    # The words of v1 come first, so that "read" is never taken for letters.
    if access in _V1:
        return None if found[4] is not None else Scope(level, type_, _V1[access], (), True)
    if not _V2.fullmatch(access):
        return None
    query = _conditions(found[4])
    return None if query is None else Scope(level, type_, access, query)


def _conditions(text: str | None) -> tuple[tuple[str, str], ...] | None:
    """The conditions of a scope's query; None for one that cannot be enforced."""
    if text is None:
        return ()
    made: list[tuple[str, str]] = []
    for part in text.split("&"):
        name, equals, raw = part.partition("=")
        try:
            value = unquote_plus(raw, errors="strict")
        except UnicodeDecodeError:
            return None
        if not equals or not _PARAMETER.fullmatch(name) or not value.strip() or not all(value.split(",")):
            return None
        made.append((name, value))
    return tuple(made)


def narrowed(requested: Scopes, allowed: Scopes) -> Scopes:
    """What of ``requested`` is within ``allowed``, each scope cut to what both say; never more than either.

    The rest of it is ``refused``. Where both have conditions a resource must fulfil those of both.
    """
    kept = [both for one in requested.resources for other in allowed.resources if (both := _both(one, other))]
    lost = [one.text for one in requested.resources if not any(_both(one, other) for other in allowed.resources)]
    launch = tuple(item for item in requested.launch if item in allowed.launch)
    personal = tuple(item for item in requested.personal if item in allowed.personal)
    others = [item for item in (*requested.launch, *requested.personal) if item not in (*launch, *personal)]
    return Scopes(_each_once(kept), launch, personal, (*requested.refused, *lost, *others))


def _both(one: Scope, other: Scope) -> Scope | None:
    """What two scopes have in common."""
    letters = "".join(letter for letter in LETTERS if letter in one.letters and letter in other.letters)
    type_ = other.type if one.type == "*" else one.type
    if one.level != other.level or not letters or not {one.type, other.type} <= set(_standing_for(type_)):
        return None
    return replace(one, type=type_, letters=letters, query=tuple(dict.fromkeys((*one.query, *other.query))))


def _standing_for(type: str) -> tuple[str, ...]:
    """What a scope may name to speak of a type."""
    return (type,) if type in BY_NAME else ("*", type)


def _each_once(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Without those that another one says already."""
    listed = list(dict.fromkeys(scopes))
    return tuple(item for item in listed if not any(_says(other, item) for other in listed if other is not item))


def _says(wide: Scope, narrow: Scope) -> bool:
    """Whether the first allows strictly more than the second, or the same as an earlier spelling of it."""
    if (
        wide.level != narrow.level
        or wide.type not in _standing_for(narrow.type)
        or not set(narrow.letters) <= set(wide.letters)
    ):
        return False
    if not set(wide.query) <= set(narrow.query):
        return False
    return (wide.type, wide.letters, set(wide.query)) != (narrow.type, narrow.letters, set(narrow.query))
