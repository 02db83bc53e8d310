"""What the lists of all patients are narrowed by, as their address says it, and what they call people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args
from urllib.parse import urlencode

from flask import request, url_for

from fhirplan.chart import people
from fhirplan.chart.words import Words
from fhirplan.coordination.elements import word
from fhirplan.fhir.codec import Resource
from fhirplan.store import versions
from fhirplan.store.coordination.caseload_rows import Only, Wanted
from fhirplan.store.engine import Transaction
from fhirplan.web.chart.frame import Frame

ON_A_PAGE: Final = 50
_TRANSLATED: Final = b'"_title"'
_ONLY: Final = frozenset(name for item in get_args(Only) for name in (get_args(item) or (item,)))


def wanted(made: Frame, name: str) -> Wanted:
    """What the address asks for, of the patients whose name begins so."""
    asked = request.args
    return Wanted(
        mine=_me(made) if asked.get("mine") else (),
        program=asked.get("program", ""),
        setting=asked.get("setting", ""),
        acuity=asked.get("acuity", ""),
        stage=asked.get("stage", ""),
        only=frozenset(item for item in asked.getlist("only") if item in _ONLY),  # type: ignore[misc]
        name=name,
    )


def _me(made: Frame) -> tuple[str, ...]:
    actor = made.who.actor.id
    return (actor,) if "/" in actor else ("Practitioner/nobody",)


def query(**changed: str) -> list[tuple[str, str]]:
    """The filters of this address with some of them changed; "" takes one out."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in ("page", "given") and value]
    kept = [(name, value) for name, value in kept if name not in changed]
    return kept + [(name, value) for name, value in changed.items() if value]


def address(endpoint: str, **changed: str) -> str:
    """The address of a list with the filters of this one, some of them changed."""
    text = urlencode(query(**changed))
    return f"{url_for(endpoint)}?{text}" if text else url_for(endpoint)


def named(tx: Transaction, connection: str, refs: Iterable[str]) -> dict[str, str]:
    """What people, roles and organizations are called."""
    known: dict[str, Resource] = {}
    for ref in refs:
        load(tx, connection, ref, known)
        for element in ("practitioner", "organization"):
            load(tx, connection, str(((known.get(ref) or {}).get(element) or {}).get("reference") or ""), known)
    return {ref: people.name_of(known.get(ref), known) for ref in known}


def plan_titles(tx: Transaction, connection: str, titles: Mapping[str, str], words: Words) -> dict[str, str]:
    """What plans, by id, are called in the viewer's language: as each itself translates the title that is listed."""
    return {plan: _plan_title(tx, connection, plan, title, words) for plan, title in titles.items()}


def _plan_title(tx: Transaction, connection: str, plan: str, title: str, words: Words) -> str:
    found = versions.current(tx, connection, "CarePlan", plan)
    if found is None or _TRANSLATED not in (found.body or b""):
        return words.phrase(title)
    resource = found.resource()
    return people.text_of(resource, "title", words) if word(resource, "title") == title else title


def load(tx: Transaction, connection: str, ref: str, known: dict[str, Resource]) -> None:
    """Adds the resource that a reference names to those that are known, where it is stored."""
    type_, slash, id_ = ref.partition("/")
    if not slash or "/" in id_ or ref in known:
        return
    found = versions.current(tx, connection, type_, id_)
    if found and not found.deleted:
        known[ref] = found.resource()
