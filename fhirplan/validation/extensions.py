"""Says where an extension may stand, by the contexts of its definition (R4 section 2.4.0)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from fhirplan.fhir import structure
from fhirplan.validation.findings import Findings, Place, expression, shown

MODIFIER: Final = "modifierExtension"
Contexts = tuple[tuple[str, str], ...]
"""Where an extension may stand: (type of the context, expression)."""


def allowed_here(contexts: Contexts, place: Place, findings: Findings) -> bool:
    """Whether an extension whose definition has these contexts (type, expression) may stand at a place."""
    names: list[str] = []
    at: Place | None = place[0]
    top = findings.scope.place
    while at is not None and at is not top:
        names.append(at[1])
        at = at[0]
    names.reverse()
    if _placed(contexts, str(findings.scope.resource.get("resourceType", "")), tuple(names)):
        return True
    outer = [wanted for kind, wanted in contexts if kind == "extension"]
    return bool(outer) and _outer_url(place, findings) in {
        one for wanted in outer for one in (wanted, wanted.rpartition("#")[0])
    }


def contexts_of(definition: dict[str, Any]) -> Contexts:
    """The contexts of an extension's definition as (type, expression)."""
    listed = definition.get("context")
    return tuple(
        (str(one.get("type", "")), str(one.get("expression", "")))
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    )


@lru_cache(maxsize=4096)
def _placed(contexts: Contexts, type_: str, names: tuple[str, ...]) -> bool:
    """Whether an element context allows the place, or one that cannot be told here does."""
    where = element_paths(type_, names)
    for kind, wanted in contexts:
        if kind == "fhirpath" or (kind == "element" and wanted in ("Element", "Base")):
            return True
        if kind != "extension" and any(_fits(path, wanted) for path in where):
            return True
    return False


def _fits(path: str, wanted: str) -> bool:
    wanted = wanted.rpartition("#")[2] if "#" in wanted else wanted
    if path == wanted or path == wanted.replace("[x]", ""):
        return True
    if "." in path:
        return False
    return structure.is_a(path, wanted)


@lru_cache(maxsize=4096)
def element_paths(type_: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """All paths that name one element: from its resource, from each data type on the way, and its own type."""
    if not names:
        return (type_,)
    found = [".".join((type_, *names))]
    path = ""
    definition = structure.definition(type_)
    for index, name in enumerate(names):
        if definition is None:
            break
        inside = definition.element(f"{path}.{name}" if path else name)
        if inside is None:
            break
        path = inside.content or inside.path
        if index == len(names) - 1:
            found.append(f"{type_}.{path.replace('[x]', '')}")
        if path in definition.children:
            if index == len(names) - 1:
                found.append("BackboneElement")
            continue
        codes = [one.code for one in inside.types]
        for code in codes:
            found.extend(element_paths(code, names[index + 1 :]))
        return tuple(dict.fromkeys(found))
    return tuple(dict.fromkeys(found))


def _outer_url(place: Place, findings: Findings) -> str:
    """The url of the extension that this one stands in, "" when it stands in none."""
    steps: list[tuple[str, int]] = []
    at: Place | None = place[0]
    while at is not None and at is not findings.scope.place:
        steps.append((at[1], at[2]))
        at = at[0]
    value: Any = findings.scope.resource
    for name, index in reversed(steps):
        found = value.get(name, value.get("_" + name)) if isinstance(value, dict) else None
        value = found[index] if isinstance(found, list) and 0 <= index < len(found) else found
    url = value.get("url") if isinstance(value, dict) and steps and steps[0][0] in ("extension", MODIFIER) else None
    return url if isinstance(url, str) else ""


def misplaced(url: str, contexts: Contexts, place: Place, findings: Findings) -> None:
    """Says that an extension stands where its definition does not allow it."""
    allowed = ", ".join(wanted for _, wanted in contexts[:8])
    where = expression(place[0]) if place[0] is not None else ""
    findings.error(
        "extension",
        f"The extension {url[:120]} is not allowed on {where}; it belongs on {allowed}. Move or remove it.",
        place,
        "cm-extension",
        url,
    )


def unknown_modifier(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """Says that an extension may change the meaning and nobody here knows how."""
    findings.error(
        "extension",
        f"The modifier extension {shown(value.get('url'))} is not known here and may change the meaning. "
        "Add the package that defines it or remove it.",
        place,
        "cm-extension",
    )
