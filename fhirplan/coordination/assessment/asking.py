"""What each question of the case management assessment leads to, as a table (guide section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fhirplan.fhir.codec import Json

_LOINC: Final = "http://loinc.org"
_OURS: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-assessment-code"
ANSWERS: Final = "http://fhirplan.dev/fhir/CodeSystem/cm-assessment-answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer that is kept as an Observation: its code ("" for words alone), domain, and how its value is written."""

    code: str
    text: str
    domain: str
    system: str = _OURS
    number: bool = False
    screening: str = ""
    strength: bool = False
    answers: str = ANSWERS


FINDINGS: Final[Mapping[str, Finding]] = {
    # The guide has no code for stays: they are a finding in words, since emergency visits are another count.
    "1.2": Finding("", "Hospital stays in the last 12 months", "medical", number=True),
    "1.3": Finding("ed-visits-6-months", "Emergency visits in the last 6 months", "medical", number=True),
    "2.2": Finding("medication-adherence", "Days in the last week with a missed dose", "medication", number=True),
    "3.1": Finding("adl-dependence", "Needs help with", "functional", screening="functional-status"),
    "4.2": Finding("55758-7", "PHQ-2 total score", "mental-health", _LOINC, number=True),
    "5.1": Finding("support-system", "Who can help day to day", "caregiver-support", strength=True),
    "5.2": Finding("caregiver-availability", "Whether the main helper is coping", "caregiver-support"),
    "6.1": Finding("71802-3", "Housing status", "housing", _LOINC),
    "6.2": Finding("88122-7", "Food ran short in the last 12 months", "food", _LOINC),
    "6.3": Finding("93030-5", "Lack of transport has kept the person from care", "transportation", _LOINC),
    "7.4": Finding("readiness-to-learn", "Readiness to learn", "health-literacy"),
}

# Domains of need that are social, as the property of cm-need-domain says.
SDOH: Final = frozenset(
    {
        *("health-literacy", "language", "social-isolation", "housing", "homelessness", "food", "transportation"),
        *("financial", "medical-cost", "utilities", "employment", "insurance-coverage", "digital-access"),
        *("safety-violence", "legal"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A need or barrier, and the answers that mean it: some of ``values``, any at all, or a number from ``least``.

    ``label`` is a security label that it carries, ``icd`` its code of ICD-10-CM, ``tells`` whether the answer is said
    with it.
    """

    link: str
    kind: Literal["need", "barrier"]
    domain: str
    text: str
    values: tuple[Json, ...] = ()
    least: int = 0
    icd: str = ""
    label: str = ""
    tells: bool = False

    def holds(self, found: list[Json]) -> bool:
        """Whether these answers mean it."""
        if self.least:
            return any(isinstance(item, int) and not isinstance(item, bool) and item >= self.least for item in found)
        if self.values:
            return any(item == value and type(item) is type(value) for item in found for value in self.values)
        return any(item not in (None, "", "none") for item in found)


ASKED: Final[tuple[Asked, ...]] = (
    Asked("2.1", "need", "medication", "Cannot always get all medicines", ("no", "sometimes")),
    Asked("2.2", "barrier", "medication", "Misses doses on two or more days a week", least=2),
    Asked("3.1", "need", "functional", "Needs help with", tells=True),
    Asked("3.2", "need", "functional", "Fell in the last 3 months", (True,)),
    Asked("3.3", "need", "equipment", "Equipment", tells=True),
    Asked("4.1", "need", "cognitive", "Often has trouble remembering or deciding", ("often",)),
    Asked("4.3", "need", "substance-use", "Alcohol or drug use that worries somebody", (True,), label="SUD"),
    Asked("5.1", "need", "social-isolation", "Nobody can help day to day", ("nobody",)),
    Asked("5.2", "need", "caregiver-support", "The main helper is under strain", ("some-strain", "too-much-strain")),
    Asked("6.1", "barrier", "housing", "Worried about losing housing", ("worried-about-losing-it",), icd="Z59.811"),
    Asked("6.1", "barrier", "homelessness", "No steady place to live", ("no-steady-place",), icd="Z59.00"),
    Asked("6.2", "barrier", "food", "Food runs short", ("often", "sometimes"), icd="Z59.41"),
    Asked("6.3", "barrier", "transportation", "No reliable transport", ("medical", "other"), icd="Z59.82"),
    Asked("6.4", "barrier", "utilities", "Utilities shut off or threatened", (True,), icd="Z59.12"),
    Asked("6.5", "barrier", "safety-violence", "Does not feel safe at home", (False,)),
    Asked("6.6", "barrier", "employment", "Work or school is affected", ("reduced", "stopped")),
    Asked("7.2", "barrier", "language", "Needs an interpreter", (True,)),
    Asked("7.3", "barrier", "health-literacy", "Needs help reading health papers", ("often", "always"), icd="Z55.6"),
    Asked("8.1", "barrier", "insurance-coverage", "No insurance", ("none",), icd="Z59.71"),
    Asked("8.2", "barrier", "medical-cost", "Cost has stopped care", (True,)),
    Asked("9.2", "need", "advance-care", "No advance directive that is known", ("no", "unsure")),
)

# The goal that a need of a domain suggests: its category in cm-goal-domain, and its words, for a person to change.
GOALS: Final[Mapping[str, tuple[str, str]]] = {
    "medication": ("self-management", "Has all medicines and takes them as agreed"),
    "functional": ("functional", "Manages daily activities safely, with the help that is needed"),
    "caregiver-support": ("caregiver", "The main helper has the support to go on"),
    "housing": ("social-needs", "Keeps a steady place to live"),
    "homelessness": ("social-needs", "Has a steady place to live"),
    "food": ("social-needs", "Has enough food every day"),
    "transportation": ("social-needs", "Gets to every appointment"),
    "health-literacy": ("knowledge", "Explains the plan in own words"),
    "advance-care": ("advance-care", "Wishes for care are written down"),
}

# Tasks besides those that resolve barriers: what they are, and their words.
WORK: Final[Mapping[str, tuple[str, str]]] = {
    "4.2": ("monitor-condition", "Ask the PHQ-9, since the PHQ-2 is 3 or more"),
    "9.3": ("obtain-consent", "Record with whom the patient lets us talk"),
}

# What people call the languages most spoken at home in the United States (Census, table B16001), by their BCP-47 code.
_SPOKEN: Final = (
    "en english inglés ingles|es spanish español espanol|zh chinese mandarin|yue cantonese|tl tagalog|vi vietnamese|"
    "ar arabic|fr french|ko korean|ru russian|ht haitian|hi hindi|pt portuguese|de german|pl polish|it italian|ur urdu|"
    "fa farsi persian|ja japanese|gu gujarati|bn bengali|te telugu|ta tamil|pa punjabi|hmn hmong|hy armenian|he hebrew|"
    "km khmer|uk ukrainian|so somali|sw swahili|am amharic|nv navajo"
)
LANGUAGES: Final[Mapping[str, str]] = {
    name: code for code, *names in (line.split() for line in _SPOKEN.split("|")) for name in names
}
