"""Tells a conflict as a person would: what each side did to which field, who did it and when. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.errors import Issue
from fhirplan.fhir import codec
from fhirplan.fhir.codec import Json, Resource
from fhirplan.fhir.dates import instant
from fhirplan.fhir.resource import last_updated
from fhirplan.merge import three_way
from fhirplan.merge.conflict import Clash, Kind, Words, plain, sentence
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.sync import conflicts
from fhirplan.store.sync.conflicts import Collision
from fhirplan.store.versions import Version
from fhirplan.sync import plan
from fhirplan.sync.content import comparable, patient_of, same

# Chart design, section 5; the pages have their own catalogue for each language.
_SENTENCES: Final[Mapping[str, str]] = {
    "conf.date": "{clinic} moved the {field} to {a}; you wrote {b}.",
    "conf.status": "{clinic} set the {field} to {a}; you set it to {b}.",
    "conf.person": "{clinic} named {a} as {field}; you named {b}.",
    "conf.number": "{clinic} changed the {field} to {a}; you wrote {b}.",
    "conf.choice": "{clinic} chose {a} for the {field}; you chose {b}.",
    "conf.text": "{clinic} wrote “{a}” in the {field}; you wrote “{b}”.",
    "conf.added": "{clinic} added {a} to the {field}; you added {b}.",
    "conf.removed": "{clinic} removed {a} from the {field}; you changed it to {b}.",
    "conf.removed_here": "You removed {a} from the {field}; {clinic} changed it to {b}.",
    "conf.other": "{clinic} and you both changed the {field}: there it is {a}, here {b}.",
    "field.due": "due date",
}


class English:
    """The sentences above, as a catalogue of words."""

    def __call__(self, key: str, /, **values: Any) -> str:
        """The sentence of that key, its first letter large, or the word."""
        text = _SENTENCES[key].format(**values)
        return text[:1].upper() + text[1:] if key.startswith("conf.") else text

    def has(self, key: str) -> bool:
        """Whether there is a sentence of that key."""
        return key in _SENTENCES


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed one side, and when; "" where it is not known."""

    actor: str
    at: str
    version: str


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to decide: ``path`` names it when choosing, ``words`` tell what each side did.

    ``both`` says whether both values can stand side by side.
    """

    path: str
    element: str
    words: str
    agreed: Json
    ours: Json
    theirs: Json
    both: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """A conflict as it stands now. ``edition`` changes with whatever a person would have to see before deciding."""

    conflict: Collision
    local: Resource | None
    here: Change
    there: Change
    questions: tuple[Question, ...]
    words: tuple[str, ...]
    edition: str


def explained(
    tx: Transaction,
    connection: str,
    known: Collision,
    *,
    clinic: str,
    words: Words | None = None,
    show: Callable[[Json, Kind], str] = plain,
    validate: Callable[[Resource], Sequence[Issue]] = lambda _resource: (),
) -> Explained:
    """The conflict with our copy as it is now; ``clinic`` is what the EHR's side is called in the sentences.

    ``show`` writes a value in them, as ``merge.conflict.sentence`` tells.
    """
    current = versions.current(tx, connection, known.type, known.id)
    local = comparable(current.resource()) if current is not None and not current.deleted else None
    remote = comparable(known.remote)
    questions = _questions(known, local, remote, clinic, words or English(), show)
    told = tuple(item.words for item in questions) or _told_as_a_whole(known, local, remote, clinic, validate)
    at, number = (instant(current.updated), str(current.version)) if current is not None else ("", "")
    here = Change(_actor(tx, current), at, number)
    there = Change("", last_updated(known.remote or {}), known.ehr_version)
    return Explained(known, local, here, there, questions, told, edition(known, current))


def edition(known: Collision, current: Version | None) -> str:
    """A short digest of what a decision rests on: both copies as they are."""
    seen = [known.cid, known.state, known.ehr_version, known.remote, current.version if current else 0]
    return hashlib.sha256(codec.dumps(seen)).hexdigest()[:16]


def clashes(base: Resource | None, local: Resource | None, remote: Resource | None) -> tuple[Clash, ...]:
    """What both sides changed differently; nothing where one side deleted the resource."""
    if local is None or remote is None:
        return ()
    outcome = three_way.merge(base, local, remote)
    return outcome.clashes if isinstance(outcome, three_way.Clashing) else ()


def _questions(
    known: Collision,
    local: Resource | None,
    remote: Resource | None,
    clinic: str,
    words: Words,
    show: Callable[[Json, Kind], str],
) -> tuple[Question, ...]:
    return tuple(
        Question(c.path, c.element, sentence(c, words, clinic=clinic, show=show), c.base, c.local, c.remote, c.both)
        for c in clashes(known.base, local, remote)
    )


def _told_as_a_whole(
    known: Collision,
    local: Resource | None,
    remote: Resource | None,
    clinic: str,
    validate: Callable[[Resource], Sequence[Issue]],
) -> tuple[str, ...]:
    """Where no field clashes: one side deleted the resource, or both edits together break a rule."""
    if remote is None:
        return (f"{_start(clinic)} deleted this {known.type}; you changed it.",)
    if local is None:
        return (f"You deleted this {known.type}; {clinic} changed it.",)
    if known.base is not None and same(local, known.base):
        return (f"{_start(clinic)} shows an earlier copy of this {known.type} than the one you both agreed on.",)
    if patient_of(local) != patient_of(remote):
        return (f"This {known.type} is about another person in one of the two copies, and both were changed.",)
    made = plan.merged(known.base, local, remote, plan.Terms(validate=validate)) if known.base else None
    if isinstance(made, plan.Conflict) and made.broken:
        return (
            "Both changes together would break a rule that neither breaks alone:",
            *(issue.text for issue in made.broken),
        )
    return (f"{_start(clinic)} and you both changed this {known.type}.",)


def _actor(tx: Transaction, current: Version | None) -> str:
    return conflicts.changed_by(tx, current.rid, current.version) if current is not None else ""


def _start(clinic: str) -> str:
    return clinic[:1].upper() + clinic[1:]
