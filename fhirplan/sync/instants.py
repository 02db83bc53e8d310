"""Compares instants as EHRs spell them; what is no instant is told apart from what is early."""

from __future__ import annotations

from datetime import UTC, datetime


def is_older(updated: str, known: str) -> bool:
    """Whether a copy of that time is older than the one we know: a page fetched before our own write, a stale replica.

    False where either time is not told.
    """
    if updated == known:
        return False
    last, shown = instant(known), instant(updated)
    return last is not None and shown is not None and shown < last


def instant(text: str) -> datetime | None:
    """The instant an EHR spelled, None when it is none; one without a zone counts as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
