"""Makes Observations of the answers that are kept as findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhirplan.coordination.assessment.answers import Given, screens_positive
from fhirplan.coordination.assessment.asking import ASKED, FINDINGS, SDOH, Finding
from fhirplan.coordination.assessment.source import SCREENING, Source, concept
from fhirplan.coordination.order import PROFILES
from fhirplan.coordination.vocabulary import NEED_DOMAIN, NEED_TYPE
from fhirplan.fhir.codec import Json, Resource

_SURVEY: Final = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
# The questions whose answer means something by itself; of a mere count nobody has said from where it is too much.
_JUDGED: Final = frozenset(asked.link for asked in ASKED) | {"4.2"}


def findings(source: Source, given: Given) -> Iterator[Resource]:
    """The findings of a response, one for each question of theirs that was answered."""
    for link, finding in FINDINGS.items():
        value = _value(finding, given.get(link, []))
        if value:
            yield _observation(source, link, finding, value, _is_met(link, given) or screens_positive(link, given))


def _value(finding: Finding, found: list[Json]) -> dict[str, Json]:
    """The value of a finding: a number, or what was chosen with its words."""
    if not found or found[0] is None:
        return {}
    if finding.number:
        return {"valueInteger": found[0]} if isinstance(found[0], int) and not isinstance(found[0], bool) else {}
    said = [str(item) for item in found]
    coding = [{"system": finding.answers, "code": item} for item in said]
    return {"valueCodeableConcept": {"coding": coding[:1], "text": ", ".join(item.replace("-", " ") for item in said)}}


def _observation(source: Source, link: str, finding: Finding, value: dict[str, Json], present: bool) -> Resource:
    kinds: list[Json] = [{"coding": [_SURVEY]}, concept(NEED_DOMAIN, finding.domain)]
    if finding.domain in SDOH:
        kinds.append(concept(SCREENING, "sdoh"))
    if finding.screening:
        kinds.append(concept(SCREENING, finding.screening))
    if finding.strength and not present:
        kinds.append(concept(NEED_TYPE, "strength"))
    return {
        "resourceType": "Observation",
        "id": source.id(f"finding-{link}"),
        "meta": {"profile": [f"{PROFILES}assessment"]},
        "status": "final",
        "category": kinds,
        "code": {
            **({"coding": [{"system": finding.system, "code": finding.code}]} if finding.code else {}),
            "text": finding.text,
        },
        "subject": {"reference": source.patient},
        "effectiveDateTime": source.written,
        "performer": [{"reference": source.who}],
        **value,
        **({"interpretation": [concept(_INTERPRETATION, "POS" if present else "NEG")]} if link in _JUDGED else {}),
        "derivedFrom": [{"reference": source.response}],
    }


def _is_met(link: str, given: Given) -> bool:
    """Whether the answer to a question is a need or barrier."""
    return any(asked.link == link and asked.holds(given.get(link, [])) for asked in ASKED)
