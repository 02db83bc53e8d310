"""Reads JSON Pointers (RFC 6901) and says where they point as a FHIRPath."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")


def tokens(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a pointer; raises ValueError, in plain words, where it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError('A pointer is "" or starts with a slash, as in /status.')
    if _BAD_ESCAPE.search(pointer):
        raise ValueError("In a pointer, write ~0 for a tilde and ~1 for a slash.")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def pointer(steps: Sequence[str | int]) -> str:
    """The pointer of these steps."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def expression(document: Any, steps: Sequence[str]) -> str:
    """Where a pointer leads as a FHIRPath from the resource (``CarePlan.activity[0].detail``)."""
    made = str(document.get("resourceType") or "") if isinstance(document, dict) else ""
    for step in steps:
        if INDEX.fullmatch(step):
            made += f"[{step}]"
        elif step != "-":
            made += ("." if made else "") + step.removeprefix("_")
    return made
