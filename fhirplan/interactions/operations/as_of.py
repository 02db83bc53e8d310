"""Shows a care plan as it stood at an instant: the operation CarePlan/$as-of."""

from __future__ import annotations

from urllib.parse import urlencode

from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir.bundle import searchset
from fhirplan.fhir.dates import instant, span
from fhirplan.interactions.operations.everything import references, supporting
from fhirplan.interactions.operations.inputs import inputs
from fhirplan.interactions.services import Services
from fhirplan.interactions.sight import Sight, sight
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version, Window, current, history_instance

_PARTS = ("Goal", "CareTeam", "Task", "ServiceRequest")


def as_of(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """200 with the plan, its goals, team, tasks and service requests in the versions of that moment.

    Raises NotFound when there was no such plan then, MalformedRequest for a moment that is none.
    """
    given = dict(inputs(services, interaction))
    text = given["instant"].replace(" ", "+")
    moment = span(text)
    if moment is None:
        raise MalformedRequest(
            f"instant is {text[:40]!r}; it is an instant such as 2026-03-09T08:00:00-05:00.", expression="http.instant"
        )
    eyes = sight(services, tx, interaction, "r")
    plan = _then(tx, interaction, ("CarePlan", interaction.id), moment.low, eyes)
    if plan is None:
        raise NotFound(f"There was no CarePlan/{interaction.id} here at {instant(moment.low)}.")
    listed = [name for name in references(plan, interaction.base) if name[0] in _PARTS]
    eyes = sight(services, tx, interaction, "s")
    now = supporting(tx, interaction, plan.id, services.settings.max_count, eyes)
    parts = []
    for name in dict.fromkeys([*listed, *((item.type, item.id) for item in now)]):
        then = _then(tx, interaction, name, moment.low, eyes)
        if then is not None and (name in listed or ("CarePlan", plan.id) in references(then, interaction.base)):
            parts.append((then.type, then.id, then.body or b""))
    own = f"{interaction.base}/CarePlan/{plan.id}/$as-of?{urlencode({'instant': text})}"
    found = [(plan.type, plan.id, plan.body or b"")]
    return Reply(200, searchset(interaction.base, found, [("self", own)], included=parts))


def _then(
    tx: Transaction, interaction: Interaction, name: tuple[str, str], moment: int, eyes: Sight | None
) -> Version | None:
    """The version of a resource that was current at a moment; None where there was none, or it was deleted.

    None too where ``eyes`` may not see it, as it was then or as it is now.
    """
    window = Window(count=1, low=moment, high=moment + 1)
    found = history_instance(tx, interaction.connection, *name, window)
    if not found or found[0].version.deleted:
        return None
    if eyes is not None:
        now = current(tx, interaction.connection, *name)
        if now is None or not eyes.sees(now) or not eyes.saw(found[0].version):
            return None
    return found[0].version
