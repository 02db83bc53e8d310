"""Lists versions, newest first: of one resource, of a type, of everything (R4 section 3.1.0.12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from fhirplan.catalog import CATALOG
from fhirplan.errors import MalformedRequest, NotFound, TooCostly
from fhirplan.fhir import bundle
from fhirplan.fhir.dates import Span, instant, span
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.shown import SHOWN, asked, part
from fhirplan.interactions.sight import current, sight
from fhirplan.interactions.values import Interaction, Reply
from fhirplan.search.restrict import NONE
from fhirplan.search.results import Shown
from fhirplan.store import versions
from fhirplan.store.engine import Transaction
from fhirplan.store.provenance import is_made
from fhirplan.store.provenance import steps as made_steps
from fhirplan.store.versions import Step, Version, Window, history_types
from fhirplan.store.versions import history_instance as of_resource
from fhirplan.store.writes import PROVENANCE

_BATCH = 200
# So many versions of others are passed over for one page.
_MOST_PASSED = 50_000
_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}


def history_instance(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of one resource.

    ``_count`` sets the page, ``_since`` the oldest time, ``_at`` a time at which the versions were current;
    ``_before`` comes with the next link. Raises NotFound when there never was such a resource, MalformedRequest for a
    parameter that makes no sense.
    """
    window = _window(services, interaction)
    newest = current(services, tx, interaction, "r")
    if newest is None:
        raise NotFound(f"There never was a {interaction.type}/{interaction.id} here.")
    eyes = sight(services, tx, interaction, "r")
    limited = eyes is not None and eyes.is_limited(interaction.type)

    def page(window: Window) -> list[Step]:
        return of_resource(tx, interaction.connection, interaction.type, interaction.id, window)

    if is_made(interaction.type, interaction.id):
        found: Sequence[Step] = [Step(newest, -newest.rid, made=True)] if _in(window, newest) else []
    else:
        found = _filled(page, window, eyes.saw if eyes is not None and limited else None)
    whole = not {name for name, _ in interaction.parameters} - {"_count"}
    total = None if limited else newest.version
    return _page(interaction, window, found, total if whole else None)


def history_type(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of all resources of a type; parameters and errors as in ``history_instance``."""
    return _of_types(services, tx, interaction, [interaction.type])


def history_system(services: Services, tx: Transaction, interaction: Interaction) -> Reply:
    """A history Bundle of everything; parameters and errors as in ``history_instance``."""
    return _of_types(services, tx, interaction, [])


def _of_types(services: Services, tx: Transaction, interaction: Interaction, types: list[str]) -> Reply:
    window = _window(services, interaction)
    eyes = sight(services, tx, interaction, "s")
    known: dict[int, bool] = {}

    def seen(version: Version) -> bool:
        if is_made(version.type, version.id):
            return eyes is None or eyes.sees(version)
        if version.rid not in known:
            now = versions.by_rid(tx, version.rid)
            known[version.rid] = eyes is None or (now is not None and eyes.sees(now))
        return known[version.rid] and (eyes is None or eyes.saw(version))

    def page(window: Window) -> list[Step]:
        found = history_types(tx, interaction.connection, chosen, window)
        if types != [PROVENANCE]:
            return found
        # The place of a write is that of its Provenance: there is no other version of that number.
        both = [*found, *made_steps(tx, interaction.connection, window)]
        return sorted(both, key=lambda step: -step.vid)[: window.count]

    chosen = types
    if eyes is not None:
        chosen = [type_ for type_ in types or CATALOG if eyes(type_) != NONE]
        if not chosen:
            return _page(interaction, window, [])
        chosen = [] if not types and len(chosen) == len(CATALOG) else chosen
    limited = eyes is not None and any(eyes.is_limited(type_) for type_ in chosen or CATALOG)
    return _page(interaction, window, _filled(page, window, seen if limited else None))


def _filled(
    page: Callable[[Window], list[Step]], window: Window, seen: Callable[[Version], bool] | None
) -> Sequence[Step]:
    """The steps of a window; with ``seen`` only those it holds of, as many as the page has room for.

    Raises TooCostly when too many others have to be passed over.
    """
    if seen is None:
        return page(window)
    found: list[Step] = []
    passed, batch = 0, replace(window, count=max(window.count, _BATCH))
    while passed < _MOST_PASSED:
        steps = page(batch)
        found += [step for step in steps if seen(step.version)]
        passed += len(steps)
        if len(found) >= window.count or len(steps) < batch.count:
            return found[: window.count]
        batch = replace(batch, before=steps[-1].vid)
    raise TooCostly("This history is too long to be looked through for what you may see. Narrow it by _since.")


def _in(window: Window, only: Version) -> bool:
    """Whether the only version of a resource is in a window."""
    return (
        -only.rid < window.before
        and only.updated >= window.since
        and (window.high is None or only.updated < window.high)
    )


def _window(services: Services, interaction: Interaction) -> Window:
    """What is asked for, and one version more than the page holds."""
    refuse_parameters(interaction, "_count", "_since", "_at", "_before", *SHOWN)
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
    own = "/".join(name for name in (interaction.base, interaction.type, interaction.id) if name)
    page = found[: window.count - 1]
    shown = asked(interaction)
    links = [("self", _link(own, given))]
    if len(found) == window.count and page:
        links.append(("next", _link(own, {**given, "_before": str(page[-1].vid)})))
    return Reply(200, bundle.history((_step(item, interaction.base, shown) for item in page), links, total))


def _step(step: Step, base: str, shown: Shown) -> bundle.Step:
    item = step.version
    posted = item.method == "create"
    return bundle.Step(
        f"{base}/{item.type}/{item.id}",
        part(item, shown),
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
