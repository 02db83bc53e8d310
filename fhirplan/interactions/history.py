"""Lists the versions of one resource, newest first (R4 section 3.1.0.12)."""

from __future__ import annotations

from urllib.parse import urlencode

from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir.bundle import Step, history
from fhirplan.fhir.dates import instant, span
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.versions import Version

_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}


def history_instance(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle; ``_count`` sets the page, ``_since`` the oldest time, ``_before`` comes with the next link.

    Raises NotFound when there never was such a resource, MalformedRequest for a parameter that makes no sense.
    """
    refuse_parameters(interaction, "_count", "_since", "_before")
    given = dict(interaction.parameters)
    count = min(_number(given, "_count", services.settings.default_count), services.settings.max_count)
    before = _number(given, "_before", 0) or None
    since = _since(given)
    found = versions.history(
        tx, interaction.connection, interaction.type, interaction.id, before=before, count=count + 1
    )
    if not found and before is None:
        raise NotFound(f"There never was a {interaction.type}/{interaction.id} here.")
    listed = [item for item in found if item.updated >= since]
    page = listed[:count]
    own = f"{interaction.base}/{interaction.type}/{interaction.id}"
    links = [("self", _link(own, given))]
    if len(listed) > count and page:
        links.append(("next", _link(own, {**given, "_before": str(page[-1].version)})))
    total = found[0].version if found and before is None and since == 0 else None
    return Reply(200, history((_step(item, own) for item in page), links, total))


def _step(item: Version, own: str) -> Step:
    created = item.method == "create"
    return Step(
        own,
        item.body or b"",
        _METHODS[item.method],
        item.type if created else f"{item.type}/{item.id}",
        "204" if item.deleted else "201" if created else "200",
        f'W/"{item.version}"',
        instant(item.updated),
    )


def _link(own: str, given: dict[str, str]) -> str:
    return f"{own}/_history" + (f"?{urlencode(given)}" if given else "")


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise MalformedRequest(f"{name} is {text[:40]!r}; it is a whole number, 0 or more.", expression=f"http.{name}")
    return int(text)


def _since(given: dict[str, str]) -> int:
    """The oldest time asked for, in ms; 0 when none is."""
    text = given.get("_since")
    if text is None:
        return 0
    found = span(text)
    if found is None:
        raise MalformedRequest(
            f"_since is {text[:40]!r}; it is an instant such as 2026-03-09T08:00:00-05:00.", expression="http._since"
        )
    return found.low
