"""What can be said of a code of a system that is not here: whether its form can be a code of that system at all.

A code of good form may still not exist; nothing here says that it does. Sources: SNOMED CT Release File Specification
(SCTID and its Verhoeff digit), LOINC Users' Guide (check digit), UCUM section 2.1, RFC 5646, RFC 6838, and the
systems' own descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
LANGUAGE: Final = "urn:ietf:bcp:47"
MIME: Final = "urn:ietf:bcp:13"

# Systems that are a grammar rather than a list: a code of good form is a code.
GRAMMARS: Final = frozenset({LANGUAGE, MIME})

_MULTIPLY: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTE: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_MAX_LENGTH: Final = 2_000
_MAX_UNIT: Final = 200

_NOTE: Final = r"\{[ -z|~]*\}"
_UNIT_ATOM: Final = r"(?:10[*^]|(?:[!#$%&',:;<>?@A-Z\\^_`a-z|~*\"]|\[[!-Z\\^-~]*\])+)(?:[+-]?\d+)?"
_UNIT_PART: Final = rf"(?:(?:{_UNIT_ATOM}|\d+)(?:{_NOTE})?|{_NOTE})"
_UNIT: Final = re.compile(rf"/?{_UNIT_PART}(?:[./]{_UNIT_PART})*", re.ASCII)
_UNIT_INSIDE: Final = re.compile(rf"\({_UNIT_PART}(?:[./]{_UNIT_PART})*\)", re.ASCII)

_TAG: Final = re.compile(
    r"(?P<language>[A-Za-z]{2,3}(?P<extlang>(?:-[A-Za-z]{3}){0,3})|[A-Za-z]{4,8})"
    r"(?P<script>-[A-Za-z]{4})?(?P<region>-(?:[A-Za-z]{2}|\d{3}))?"
    r"(?P<variant>(?:-(?:[A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*)"
    r"(?P<extension>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?P<private>-x(?:-[A-Za-z0-9]{1,8})+)?|x(?:-[A-Za-z0-9]{1,8})+|i-[a-z]{3,8}",
    re.ASCII,
)
_LOINC_CODE: Final = re.compile(r"\d{1,7}-\d", re.ASCII)
_LOINC_PART: Final = re.compile(r"(?:LP|LA|LL|LG|MTHU)\d{1,9}(?:-\d)?", re.ASCII)
_TOKEN: Final = r"[A-Za-z0-9!#$&^_.+-]+"  # noqa: S105 - a token of RFC 6838, no secret
_MIME: Final = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|\"[^\"\r\n]*\"))*")
# What R4 itself says for a format where a MIME type is asked for (http.html, _format).
_SHORT_MIME: Final = frozenset({"xml", "json", "ttl", "html"})

# System -> (form, how a person would say it).
_FORMS: Final[dict[str, tuple[re.Pattern[str], str]]] = {
    system: (re.compile(form, re.ASCII), said)
    for systems, form, said in (
        ("http://www.nlm.nih.gov/research/umls/rxnorm", r"\d{1,8}", "a number of up to 8 digits"),
        ("http://hl7.org/fhir/sid/cvx", r"\d{1,3}", "a number of up to 3 digits"),
        ("http://hl7.org/fhir/sid/mvx", r"[A-Z0-9]{2,5}", "2 to 5 capitals"),
        (
            "http://hl7.org/fhir/sid/icd-10-cm http://hl7.org/fhir/sid/icd-10",
            r"[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?(?:-[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?)?",
            "a letter, a digit, a letter or digit, then a point and up to 4 more (E11.9)",
        ),
        (
            "http://hl7.org/fhir/sid/icd-9-cm",
            r"(?:\d{2,3}|V\d{2}|E\d{3})(?:\.?\d{1,2})?(?:-.{3,6})?",
            "3 digits, or V or E and digits, then a point and up to 2 more (250.00)",
        ),
        (
            "http://www.cms.gov/Medicare/Coding/ICD10 http://hl7.org/fhir/sid/icd-10-pcs",
            r"[0-9A-HJ-NP-Z]{3,7}",
            "3 to 7 digits and letters without I and O",
        ),
        ("http://www.ama-assn.org/go/cpt", r"\d{4}[0-9A-Z]|[0-9A-Z]{2}", "5 characters (99487) or a modifier of 2"),
        (
            "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets "
            "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes urn:oid:2.16.840.1.113883.6.285",
            r"[A-Z]\d{4}|\d{4}[0-9A-Z]|[0-9A-Z]{2}",
            "a letter and 4 digits (G9002), or a modifier of 2 characters",
        ),
        ("http://hl7.org/fhir/sid/ndc", r"[\d*-]{8,14}", "10 or 11 digits, with or without hyphens"),
        ("http://nucc.org/provider-taxonomy", r"\d{3}[0-9A-Z]{6}X", "10 characters, the last one X (363LF0000X)"),
        ("urn:iso:std:iso:3166", r"[A-Z]{2,3}|\d{3}", "2 or 3 capitals, or 3 digits (US)"),
        ("urn:iso:std:iso:3166:-2", r"[A-Z]{2}-[A-Z0-9]{1,3}", "country and part (US-IL)"),
        ("urn:iso:std:iso:4217", r"[A-Z]{3}|\d{3}", "3 capitals (USD)"),
        ("https://www.usps.com/", r"[A-Z]{2}", "2 capitals (IL)"),
    )
    for system in systems.split()
}


def form_problem(system: str, code: str) -> str | None:
    """Why a code cannot be one of the system, in plain words; None when it can, or the system is not known here."""
    if len(code) > _MAX_LENGTH:
        return f"The code has {len(code)} characters."
    if code != code.strip() or code == "":
        return "A code neither is empty nor starts or ends with a blank."
    check = _CHECKS.get(system)
    if check is not None:
        return check(code)
    known = _FORMS.get(system)
    if known is None or known[0].fullmatch(code):
        return None
    return f"A code of {system} is {known[1]}."


def is_known(system: str) -> bool:
    """Whether the form of this system's codes is known."""
    return system in _CHECKS or system in _FORMS


def _snomed(code: str) -> str | None:
    if not code.isdigit() or not code.isascii():
        # An expression (73211009:363698007=...) is made of several codes; only its first is looked at.
        found = re.match(r"\s*([0-9]{6,18})\s*[|:+{]", code)
        return _snomed(found[1]) if found else "A SNOMED CT code is a number of 6 to 18 digits."
    if not 6 <= len(code) <= 18 or code[0] == "0":
        return f"A SNOMED CT code has 6 to 18 digits and no leading zero; this one has {len(code)}."
    if _verhoeff(code) != 0:
        return "The last digit, SNOMED CT's check digit, does not fit; a digit was mistyped or lost."
    if code[-3:-1] not in ("00", "10"):
        return "This is the number of a SNOMED CT description or relationship, not of a concept."
    return None


def _verhoeff(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total = int(_MULTIPLY[total][int(_PERMUTE[place % 8][int(digit)])])
    return total


def _loinc(code: str) -> str | None:
    if _LOINC_PART.fullmatch(code):
        return None
    if not _LOINC_CODE.fullmatch(code):
        return "A LOINC code is up to 7 digits, a hyphen and a check digit (29463-7)."
    number, _, digit = code.partition("-")
    doubled = (int(each) * (2 if place % 2 == 0 else 1) for place, each in enumerate(reversed(number)))
    if -sum(value // 10 + value % 10 for value in doubled) % 10 != int(digit):
        return "The last digit, LOINC's check digit, does not fit; a digit was mistyped or lost."
    return None


def _unit(code: str) -> str | None:
    text = code
    while len(text) <= _MAX_UNIT:
        shorter = _UNIT_INSIDE.sub("1", text)
        if shorter == text:
            break
        text = shorter
    if len(text) <= _MAX_UNIT and _UNIT.fullmatch(text):
        return None
    return "This is not a unit as UCUM writes them (mg/dL, mm[Hg], 10*3/uL, {score})."


def _language(code: str) -> str | None:
    return None if _TAG.fullmatch(code) else "A language is written as in en, es-MX or zh-Hans (BCP 47)."


def _mime(code: str) -> str | None:
    if _MIME.fullmatch(code) or code in _SHORT_MIME:
        return None
    return "A MIME type is written as in text/plain or application/pdf (RFC 6838)."


def is_code_of(system: str, code: str) -> bool | None:
    """Whether a code is one of a system that is a grammar (languages, MIME types); None where it cannot be told."""
    if form_problem(system, code):
        return False
    return True if system in GRAMMARS else None


def language_part(code: str, part: str) -> str | None:
    """A part of a language tag by its BCP 47 name (ext-lang, script, region, variant …), None when it has none."""
    found = _TAG.fullmatch(code)
    name = {"ext-lang": "extlang", "private-use": "private"}.get(part, part)
    return (found.groupdict().get(name) or None) if found else None


_CHECKS: Final[dict[str, Callable[[str], str | None]]] = {
    SNOMED: _snomed,
    LOINC: _loinc,
    UCUM: _unit,
    LANGUAGE: _language,
    MIME: _mime,
}
