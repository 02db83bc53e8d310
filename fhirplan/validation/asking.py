"""What a terminology server may be asked, and how its silence is told apart from its not knowing.

The call itself is handed in, so that this room speaks to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Pair = tuple[str | None, str]
"""A code with its system; None where the element has none of its own."""
Ask = Callable[[str, str | None, str], bool | None]
"""Whether a (value set, system, code) is a member; None where the server cannot tell; raises NoAnswer."""
Opened = Callable[[], Ask]
"""Starts the questions about one resource, which share one time limit."""


_kept_only: Final = ContextVar("kept_only", default=False)


@contextmanager
def kept_only() -> Iterator[None]:
    """Inside, nobody is waited for: only what a terminology server said before counts.

    For whoever holds a lock that others wait for.
    """
    before = _kept_only.set(True)
    try:
        yield
    finally:
        _kept_only.reset(before)


def may_wait() -> bool:
    """Whether a terminology server may be asked now."""
    return not _kept_only.get()


class NoAnswer(Exception):
    """The terminology server did not answer, or not in time."""


def told(ask: Ask | None, value_set: str, pairs: Iterable[Pair]) -> tuple[bool | None, bool]:
    """Whether one of these codes is in a value set as the server has it, and whether the server fell silent."""
    if ask is None:
        return None, False
    answer: bool | None = False
    for system, code in pairs:
        try:
            held = ask(value_set, system, code)
        except NoAnswer:
            return None, True
        if held:
            return True, False
        answer = None if held is None else answer
    return answer, False
