"""Follows the pages of a search: same origin only, never in a circle, no resource twice (R4 section 3.1.1.3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhirplan.ehr import failures
from fhirplan.errors import EhrUnavailable, Issue
from fhirplan.fhir import outcome
from fhirplan.fhir.codec import Resource
from fhirplan.fhir.resource import version_id

MAX_PAGES: Final = 100_000
REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the resources that matched, what the EHR remarked, the total it tells (or None), whether it is last.

    ``codes`` are the codes of its remarks, which each EHR has of its own. ``size`` counts what matched on the page,
    also what came on an earlier page already.
    """

    resources: tuple[Resource, ...]
    remarks: tuple[Issue, ...]
    total: int | None
    last: bool
    codes: tuple[str, ...] = ()
    size: int = 0


class _Recent:
    """The (id, version) pairs of the last pages, so that a page which repeats some does no harm; bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_new(self, resource: Resource) -> bool:
        key = str(resource.get("id", "")), version_id(resource)
        if not key[1]:
            return True
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


def pages(first: Resource, type_: str, fetch: Callable[[str], Resource]) -> Iterator[Page]:
    """Each page of a searchset, beginning with ``first``; ``fetch`` gets the Bundle behind a next link.

    Raises what ``fetch`` raises, and EhrUnavailable when the links go round in a circle or never end.
    """
    bundle, recent, followed = first, _Recent(), set[str]()
    for _ in range(MAX_PAGES):
        following = next_link(bundle)
        yield _page(bundle, type_, recent, last=not following)
        if not following:
            return
        if following in followed:
            raise EhrUnavailable("The EHR's pages go round in a circle: a next link leads back to an earlier page.")
        followed.add(following)
        bundle = fetch(following)
    raise EhrUnavailable(f"The EHR's search has more than {MAX_PAGES} pages. Ask for larger pages.")


def _page(bundle: Resource, type_: str, recent: _Recent, *, last: bool) -> Page:
    found: list[Resource] = []
    remarks: list[Issue] = []
    codes: list[str] = []
    size = 0
    for resource in _entries(bundle):
        if resource.get("resourceType") == type_:
            size += 1
            if recent.is_new(resource):
                found.append(resource)
        else:
            remarks.extend(outcome.issues(resource))
            codes.extend(_codes(resource))
    total = bundle.get("total")
    return Page(tuple(found), tuple(remarks), total if isinstance(total, int) else None, last, tuple(codes), size)


def _codes(said: Resource) -> Iterator[str]:
    listed = said.get("issue")
    for issue in listed if isinstance(listed, list) else []:
        details = issue.get("details") if isinstance(issue, dict) else None
        codings = details.get("coding") if isinstance(details, dict) else None
        for coding in codings if isinstance(codings, list) else []:
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                yield coding["code"]


def _entries(bundle: Resource) -> Iterator[Resource]:
    """The resources of a Bundle that are matches or remarks, not those that were included."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise failures.not_understood("GET", "a Bundle whose entry is no array")
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and _mode(entry) != "include":
            yield resource


def _mode(entry: dict[str, Any]) -> str:
    search = entry.get("search")
    return str(search.get("mode") or "") if isinstance(search, dict) else ""


def next_link(bundle: Resource) -> str:
    """The URL of the page after this one, or "" on the last."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return ""
