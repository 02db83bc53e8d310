"""Carries a person's choices into a merge: ours, theirs, what stood before, both, or a value they wrote."""

from __future__ import annotations

from collections.abc import Mapping

from fhirplan.errors import InvalidResource
from fhirplan.fhir.codec import Resource
from fhirplan.merge.conflict import Clash
from fhirplan.merge.policy import Choice, Settle, ask
from fhirplan.merge.rules import R4, Rules
from fhirplan.merge.three_way import Outcome, merge


def apply(
    base: Resource | None,
    local: Resource,
    remote: Resource,
    choices: Mapping[str, Choice],
    rules: Rules = R4,
    *,
    settle: Settle = ask,
) -> Outcome:
    """The merge with clashes settled by ``choices``, keyed by ``Clash.path``; what nobody chose still clashes.

    ``settle`` decides what has no choice (see ``policy.Policy.settling``).
    Raises InvalidResource for a path that is not in conflict, or a choice that its place does not allow.
    """
    used: set[str] = set()

    def chosen(clash: Clash) -> Choice | None:
        if clash.path not in choices:
            return settle(clash)
        used.add(clash.path)
        return choices[clash.path]

    outcome = merge(base, local, remote, rules, settle=chosen)
    unknown = sorted(choices.keys() - used)
    if unknown:
        raise InvalidResource(
            f"{unknown[0]} is not in conflict, so there is nothing to choose. Look at the conflict again.",
            expression=unknown[0],
        )
    return outcome
