"""What the EHR did not keep of what it was sent, in words."""

from __future__ import annotations

from typing import Any

import pytest

from fhirplan.sync.unkept import unkept

SENT: dict[str, Any] = {
    "resourceType": "Goal",
    "description": {"text": "Walk"},
    "note": [{"text": "Slowly"}],
    "identifier": [{"value": "1"}],
}
HISTORY = " What was sent is version 3 in the history here."


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, ""),
        ({"identifier": [{"value": "9"}, {"value": "1"}], "language": "en"}, ""),
        ({"note": None}, f"The EHR did not keep Goal.note.{HISTORY}"),
        ({"description": {"text": "WALK"}}, f"The EHR holds Goal.description otherwise than it was sent.{HISTORY}"),
        ({"identifier": []}, f"The EHR holds Goal.identifier otherwise than it was sent.{HISTORY}"),
        (
            {"note": None, "description": {"text": "WALK"}},
            f"The EHR did not keep Goal.note and holds Goal.description otherwise than it was sent.{HISTORY}",
        ),
    ],
    ids=["all kept", "added to", "left out", "altered", "emptied", "both"],
)
def test_what_is_lost_is_named_and_what_is_added_is_not(there: dict[str, Any], said: str) -> None:
    stored = {key: value for key, value in {**SENT, **there}.items() if value is not None}
    assert unkept(SENT, stored, 3) == said
