"""Value sets offline: what is in, what is out, and what cannot be told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.validation.code_forms import LANGUAGE, LOINC, SNOMED, UCUM
from fhirplan.validation.valuesets import Terminology, form_problem

ANIMALS = "urn:test:animals"


def code_system(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "CodeSystem",
        "url": ANIMALS,
        "content": "complete",
        "caseSensitive": True,
        "concept": [
            {
                "code": "mammal",
                "concept": [
                    {"code": "dog", "display": "Dog", "property": [{"code": "legs", "valueInteger": 4}]},
                    {"code": "whale", "display": "Whale", "property": [{"code": "legs", "valueInteger": 0}]},
                ],
            },
            {"code": "bird", "property": [{"code": "legs", "valueInteger": 2}]},
            {"code": "penguin", "property": [{"code": "parent", "valueCode": "bird"}]},
        ],
    }
    return made | changes


def value_set(url: str, **compose: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "compose": compose}


def terminology(*resources: dict[str, Any], animals: dict[str, Any] | None = None) -> Terminology:
    known = {resource["url"]: resource for resource in (animals or code_system(), *resources)}
    return Terminology(known.get)


def codes(include: dict[str, Any] | list[dict[str, Any]], **more: Any) -> set[str]:
    parts = include if isinstance(include, list) else [include]
    found = terminology(value_set("v", include=parts, **more)).expansion("v")
    assert found is not None
    assert {system for system, _ in found} <= {ANIMALS}
    return {code for _, code in found}


def filtered(property_: str, op: str, value: str) -> set[str]:
    return codes({"system": ANIMALS, "filter": [{"property": property_, "op": op, "value": value}]})


ALL = {"mammal", "dog", "whale", "bird", "penguin"}


def test_a_whole_complete_system_is_listed() -> None:
    assert codes({"system": ANIMALS}) == ALL


def test_named_codes_only() -> None:
    assert codes({"system": ANIMALS, "concept": [{"code": "dog"}]}) == {"dog"}


@pytest.mark.parametrize(
    ("property_", "op", "value", "expected"),
    [
        ("concept", "is-a", "mammal", {"mammal", "dog", "whale"}),
        ("concept", "descendent-of", "mammal", {"dog", "whale"}),
        ("concept", "is-a", "bird", {"bird", "penguin"}),
        ("concept", "is-not-a", "mammal", {"bird", "penguin"}),
        ("concept", "generalizes", "penguin", {"bird", "penguin"}),
        ("concept", "in", "dog,bird", {"dog", "bird"}),
        ("concept", "not-in", "dog,bird", {"mammal", "whale", "penguin"}),
        ("code", "regex", "[dw].*", {"dog", "whale"}),
        ("code", "regex", "d", set()),
        ("display", "=", "Dog", {"dog"}),
        ("legs", "=", "4", {"dog"}),
        ("legs", "in", "0,2", {"whale", "bird"}),
        ("legs", "exists", "false", {"mammal", "penguin"}),
        ("legs", "exists", "true", {"dog", "whale", "bird"}),
        ("parent", "=", "bird", {"penguin"}),
        ("child", "=", "penguin", {"bird"}),
    ],
)
def test_each_filter(property_: str, op: str, value: str, expected: set[str]) -> None:
    assert filtered(property_, op, value) == expected


def test_several_filters_must_all_hold() -> None:
    part = {
        "system": ANIMALS,
        "filter": [
            {"property": "concept", "op": "is-a", "value": "mammal"},
            {"property": "legs", "op": "=", "value": "4"},
        ],
    }
    assert codes(part) == {"dog"}


def test_an_unknown_filter_leaves_it_open() -> None:
    part = {"system": ANIMALS, "filter": [{"property": "concept", "op": "child-of", "value": "mammal"}]}
    made = terminology(value_set("v", include=[part]))
    assert made.expansion("v") is None
    assert made.contains("v", ANIMALS, "dog") is None
    assert made.contains("v", "urn:other", "dog") is False


def test_exclude_takes_away() -> None:
    assert codes({"system": ANIMALS}, exclude=[{"system": ANIMALS, "concept": [{"code": "dog"}]}]) == ALL - {"dog"}


def test_system_and_value_sets_of_one_include_are_intersected() -> None:
    small = value_set("small", include=[{"system": ANIMALS, "concept": [{"code": "dog"}, {"code": "bird"}]}])
    mammals = {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]}
    both = value_set("both", include=[{**mammals, "valueSet": ["small"]}])
    either = value_set("either", include=[mammals, {"valueSet": ["small"]}])
    made = terminology(small, both, either)
    assert made.codes("both") == {"dog"}
    assert made.codes("either") == {"mammal", "dog", "whale", "bird"}


def test_a_version_in_the_canonical_is_dropped_when_only_the_plain_one_is_here() -> None:
    made = terminology(value_set("v", include=[{"system": ANIMALS}]))
    assert made.contains("v|9.9", ANIMALS, "dog") is True


def test_a_code_without_asking_for_its_system() -> None:
    made = terminology(value_set("v", include=[{"system": ANIMALS}]))
    assert made.contains("v", None, "dog") is True
    assert made.contains("v", None, "cat") is False


def test_a_coding_that_names_no_system_is_in_no_value_set() -> None:
    made = terminology(value_set("v", include=[{"system": ANIMALS}, {"system": SNOMED}]))
    assert made.contains("v", "", "dog") is False


def test_a_missing_value_set_is_not_told_and_says_so() -> None:
    made = terminology()
    assert made.contains("nowhere", ANIMALS, "dog") is None
    assert "nowhere" in (made.problem("nowhere") or "")


def test_a_fragment_knows_its_codes_and_leaves_others_open() -> None:
    made = terminology(value_set("v", include=[{"system": ANIMALS}]), animals=code_system(content="fragment"))
    assert made.expansion("v") is None
    assert made.contains("v", ANIMALS, "dog") is True
    assert made.contains("v", ANIMALS, "cat") is None


def test_case_is_ignored_only_where_the_system_ignores_it() -> None:
    chosen = value_set("v", include=[{"system": ANIMALS, "concept": [{"code": "dog"}]}])
    assert terminology(chosen).contains("v", ANIMALS, "DOG") is False
    assert terminology(chosen, animals=code_system(caseSensitive=False)).contains("v", ANIMALS, "DOG") is True


def test_codes_of_an_absent_system_are_open_unless_their_form_is_wrong() -> None:
    made = terminology(value_set("v", include=[{"system": SNOMED}]))
    assert made.contains("v", SNOMED, "38341003") is None
    assert made.contains("v", SNOMED, "38341004") is False
    assert made.contains("v", LOINC, "29463-7") is False
    assert made.contains("v", None, "38341003") is None


def test_excluding_from_an_absent_system_is_decided_where_it_can_be() -> None:
    made = terminology(
        value_set("v", include=[{"system": SNOMED}], exclude=[{"system": SNOMED, "concept": [{"code": "38341003"}]}])
    )
    assert made.contains("v", SNOMED, "38341003") is False
    assert made.contains("v", SNOMED, "73211009") is None


def test_languages_are_a_grammar() -> None:
    made = terminology(value_set("v", include=[{"system": LANGUAGE}]))
    assert made.contains("v", None, "es-MX") is True
    assert made.contains("v", None, "not a language") is False


def test_language_filters() -> None:
    without = [{"property": part, "op": "exists", "value": "false"} for part in ("script", "ext-lang")]
    made = terminology(value_set("v", include=[{"system": LANGUAGE, "filter": without}]))
    assert made.contains("v", LANGUAGE, "en-US") is True
    assert made.contains("v", LANGUAGE, "zh-Hant") is False


def test_an_expansion_serves_where_the_compose_cannot_be_followed() -> None:
    carried = value_set(
        "v", include=[{"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}]
    )
    carried["expansion"] = {"contains": [{"system": SNOMED, "code": "38341003"}]}
    made = terminology(carried)
    assert made.contains("v", SNOMED, "38341003") is True
    assert made.contains("v", SNOMED, "73211009") is False


def test_an_expansion_that_says_there_is_more_leaves_others_open() -> None:
    carried = {
        "resourceType": "ValueSet",
        "url": "v",
        "expansion": {"total": 9, "contains": [{"system": "s", "code": "a"}]},
    }
    made = terminology(carried)
    assert made.contains("v", "s", "a") is True
    assert made.contains("v", "s", "b") is None


@pytest.mark.parametrize("length", [1, 2, 5, 200])
def test_a_value_set_that_includes_itself_is_named_as_such(length: int) -> None:
    ring = [value_set(f"v{at}", include=[{"valueSet": [f"v{(at + 1) % length}"]}]) for at in range(length)]
    made = terminology(*ring)
    assert made.contains("v0", ANIMALS, "dog") is None
    assert "includes itself" in (made.problem("v0") or "")


def test_a_circle_in_the_hierarchy_ends() -> None:
    turning = code_system(
        concept=[
            {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
            {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
        ]
    )
    part = {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}
    assert terminology(value_set("v", include=[part]), animals=turning).codes("v") == {"a", "b"}


def test_value_sets_are_read_once() -> None:
    asked: list[str] = []
    resources = {"v": value_set("v", include=[{"system": ANIMALS}]), ANIMALS: code_system()}

    def lookup(url: str) -> dict[str, Any] | None:
        asked.append(url)
        return resources.get(url)

    made = Terminology(lookup)
    for _ in range(3):
        made.contains("v", ANIMALS, "dog")
        made.contains("v", None, "cat")
    assert asked == ["v", ANIMALS]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED, "38341003"),
        (SNOMED, "73211009"),
        (SNOMED, "734163000"),
        (SNOMED, "736252007"),
        (SNOMED, "449868002"),
        (SNOMED, "428361000124107"),
        (SNOMED, "284196006:116676008=28572009"),
        (LOINC, "29463-7"),
        (LOINC, "8302-2"),
        (LOINC, "72514-3"),
        (LOINC, "LA6576-8"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I50.22"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "Z59.00"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "313782"),
        ("http://hl7.org/fhir/sid/cvx", "207"),
        ("http://nucc.org/provider-taxonomy", "363LF0000X"),
        (UCUM, "mL/min/{1.73_m2}"),
        (UCUM, "mm[Hg]"),
        (UCUM, "10*3/uL"),
        (UCUM, "U/(10.g){feces}"),
        (UCUM, "{# of fetuses}"),
        ("urn:ietf:bcp:13", "application/fhir+json; fhirVersion=4.0"),
        ("urn:unknown", "anything goes"),
    ],
)
def test_codes_of_good_form(system: str, code: str) -> None:
    assert form_problem(system, code) is None


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED, "38341004"),
        (SNOMED, "Hypertension"),
        (SNOMED, "1234"),
        (SNOMED, "2148514019"),  # a description's number
        (LOINC, "29463-8"),
        (LOINC, "weight"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "heart failure"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "aspirin"),
        ("http://nucc.org/provider-taxonomy", "363LF0000"),
        (UCUM, "mg dL"),
        (UCUM, "mg/"),
        (UCUM, "(m"),
        (LANGUAGE, "english language"),
        ("urn:ietf:bcp:13", "text plain"),
        (SNOMED, " 38341003"),
    ],
)
def test_codes_of_wrong_form(system: str, code: str) -> None:
    assert form_problem(system, code)


@given(st.sampled_from(["38341003", "73211009", "428361000124107"]), st.data())
def test_any_one_mistyped_digit_of_a_snomed_code_is_noticed(code: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(code) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != code[place]]))
    assert form_problem(SNOMED, code[:place] + digit + code[place + 1 :])


pairs = st.frozensets(st.tuples(st.sampled_from(["urn:a", "urn:b"]), st.sampled_from("xyz")), max_size=6)


def include(chosen: frozenset[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"system": system, "concept": [{"code": code}]} for system, code in sorted(chosen)]


@given(pairs, pairs)
def test_include_and_exclude_are_set_difference_and_contains_agrees_with_the_expansion(
    included: frozenset[tuple[str, str]], excluded: frozenset[tuple[str, str]]
) -> None:
    made = terminology(value_set("v", include=include(included), exclude=include(excluded)))
    assert made.expansion("v") == included - excluded
    for system in ("urn:a", "urn:b"):
        for code in "xyz":
            assert made.contains("v", system, code) is ((system, code) in included - excluded)
