"""Lists versions, newest first: of one resource, of a type, of everything (R4 section 3.1.0.12)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from fhirplan.errors import MalformedRequest, NotFound
from fhirplan.fhir import bundle
from fhirplan.fhir.dates import Span, instant, span
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import current, is_made
from fhirplan.store.versions import Step, Version, Window, history_types
from fhirplan.store.versions import history_instance as of_resource

_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}


def history_instance(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of one resource.

    ``_count`` sets the page, ``_since`` the oldest time, ``_at`` a time at which the versions were current;
    ``_before`` comes with the next link. Raises NotFound when there never was such a resource, MalformedRequest for a
    parameter that makes no sense.
    """
    window = _window(services, interaction)
    newest = current(tx, interaction.connection, interaction.type, interaction.id)
    if newest is None:
        raise NotFound(f"There never was a {interaction.type}/{interaction.id} here.")
    if is_made(interaction.type, interaction.id):
        found = [Step(newest, -newest.rid, made=True)] if _in(window, newest) else []
    else:
        found = of_resource(tx, interaction.connection, interaction.type, interaction.id, window)
    whole = not {name for name, _ in interaction.parameters} - {"_count"}
    return _page(interaction, window, found, newest.version if whole else None)


def history_type(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of all resources of a type; parameters and errors as in ``history_instance``."""
    window = _window(services, interaction)
    return _page(interaction, window, history_types(tx, interaction.connection, [interaction.type], window))


def history_system(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of everything; parameters and errors as in ``history_instance``."""
    window = _window(services, interaction)
    return _page(interaction, window, history_types(tx, interaction.connection, [], window))


def _in(window: Window, only: Version) -> bool:
    """Whether the only version of a resource is in a window."""
    return (
        -only.rid < window.before
        and only.updated >= window.since
        and (window.high is None or only.updated < window.high)
    )


def _window(services: Services, interaction: Interaction) -> Window:
    """What is asked for, and one version more than the page holds."""
    refuse_parameters(interaction, "_count", "_since", "_at", "_before")
    given = dict(interaction.parameters)
    count = min(_number(given, "_count", services.settings.default_count), services.settings.max_count)
    since, at = _time(given, "_since"), _time(given, "_at")
    return Window(
        count + 1,
        _number(given, "_before", 0) or Window(0).before,
        since.low if since else 0,
        at.low if at else None,
        at.high if at else None,
    )


def _page(interaction: Interaction, window: Window, found: Sequence[Step], total: int | None = None) -> Reply:
    given = dict(interaction.parameters)
    own = "/".join(part for part in (interaction.base, interaction.type, interaction.id) if part)
    page = found[: window.count - 1]
    links = [("self", _link(own, given))]
    if len(found) == window.count and page:
        links.append(("next", _link(own, {**given, "_before": str(page[-1].vid)})))
    return Reply(200, bundle.history((_step(item, interaction.base) for item in page), links, total))


def _step(step: Step, base: str) -> bundle.Step:
    item = step.version
    posted = item.method == "create"
    return bundle.Step(
        f"{base}/{item.type}/{item.id}",
        item.body or b"",
        _METHODS[item.method],
        item.type if posted else f"{item.type}/{item.id}",
        "204" if item.deleted else "201" if step.made else "200",
        f'W/"{item.version}"',
        instant(item.updated),
    )


def _link(own: str, given: dict[str, str]) -> str:
    return f"{own}/_history" + (f"?{urlencode(given)}" if given else "")


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise MalformedRequest(f"{name} is {text[:40]!r}; it is a whole number, 0 or more.", expression=f"http.{name}")
    return int(text)


def _time(given: dict[str, str], name: str) -> Span | None:
    """The span of time that a parameter names; None when it is not given."""
    text = given.get(name)
    if text is None:
        return None
    # In a query a plus is a blank, so that an instant with its zone unescaped arrives with one.
    found = span(text.replace(" ", "+"))
    if found is None:
        raise MalformedRequest(
            f"{name} is {text[:40]!r}; it is an instant such as 2026-03-09T08:00:00-05:00.", expression=f"http.{name}"
        )
    return found
