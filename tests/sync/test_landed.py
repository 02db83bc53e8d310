"""Which version of ours a copy of the EHR's was made from, by its law: nothing is a conflict that only we wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.sync.landed import origins
from fhirplan.sync.plan import Conflict, FastForward, Merged, decide

Copy = dict[str, Any]
FIELDS = ("description", "startDate", "note")


def goal(**values: Any) -> Copy:
    return {"resourceType": "Goal", "id": "g", **values}


A, B, C = goal(description="a"), goal(description="b"), goal(description="c")


@pytest.mark.parametrize(
    ("base", "remote", "own", "found"),
    [
        pytest.param(A, goal(description="a", note="n"), [B], [0], id="the base"),
        pytest.param(A, goal(description="b", note="n"), [C, B], [1], id="the version that is nearest"),
        pytest.param(A, goal(description="b", note="n"), [A, B], [1], id="though ours went back to the base since"),
        pytest.param(A, C, [B], [0, 1], id="either, as all of ours was changed again"),
        pytest.param(
            goal(description="a", note="n"),
            goal(description="b", note="n", startDate="2026"),
            [B],
            [0],
            id="the base, as a part of ours is as it was",
        ),
        pytest.param(None, goal(description="a", note="n"), [B, A], [1], id="a creation"),
        pytest.param(A, B, [None], [0], id="no deletion"),
    ],
)
def test_what_a_copy_was_made_from(base: Any, remote: Any, own: Any, found: Any) -> None:
    numbered = [(len(own) - place, content) for place, content in enumerate(own)]
    assert [version for version, _ in origins(base, remote, numbered)] == found


words = st.sampled_from(["a", "b", "c"])
copies = st.builds(goal, description=words, startDate=words, note=words)
# Words that nobody else uses, so that they can only be the clinic's.
THEIRS = "the clinic's"


def outcome(base: Copy, local: Copy, remote: Copy) -> Copy | None:
    """What both sides come to, None where a person has to say."""
    match decide(base, local, remote):
        case Conflict():
            return None
        case Merged(resource=made):
            return made
        case FastForward():
            return remote
        case _:
            return local


def told(base: Copy, local: Copy, remote: Copy, sent: Copy) -> Copy | None:
    """What both sides come to where nobody heard what became of ``sent``."""
    found = origins(base, remote, [(2, local), (1, sent)])
    made = [outcome(content or {}, local, remote) for _, content in found]
    return made[0] if all(item == made[0] for item in made) else None


@given(base=copies, sent=copies, local=copies, field=st.sampled_from(FIELDS))
def test_an_edit_on_top_of_ours_ends_as_if_the_reply_had_come(base: Copy, sent: Copy, local: Copy, field: str) -> None:
    remote = {**sent, field: THEIRS}
    heard, made = outcome(sent, local, remote), told(base, local, remote, sent)
    assert made in (None, heard), "something was lost"
    if any(sent[name] not in (base[name], local[name]) for name in FIELDS if name != field):
        assert made == heard, "asked without need"


@given(base=copies, unsent=copies, local=copies, fields=st.sets(st.sampled_from(FIELDS), min_size=1))
def test_what_never_left_is_not_taken_for_landed(base: Copy, unsent: Copy, local: Copy, fields: set[str]) -> None:
    remote = {**base, **dict.fromkeys(fields, THEIRS)}
    heard, made = outcome(base, local, remote), told(base, local, remote, unsent)
    assert made in (None, heard), "something was lost"
    if any(unsent[name] != base[name] for name in set(FIELDS) - fields):
        assert made == heard, "asked without need"
