"""coordination/vocabulary: what the rules know of codes is what the published code systems say."""

import json
from pathlib import Path

from fhirplan.coordination.vocabulary import (
    ATTEMPTS,
    BUSINESS,
    COMMUNITY_DISPOSITIONS,
    CONTACT_DAYS,
    DISCHARGE_SYSTEMS,
    INTERACTIVE,
)

PROFILES = Path(__file__).parents[2] / "profiles"


def properties(name):
    text = (PROFILES / "codesystems" / f"CodeSystem-{name}.json").read_text()
    return {
        item["code"]: {
            one["code"]: next(value for key, value in one.items() if key.startswith("value"))
            for one in item.get("property", [])
        }
        for item in json.loads(text)["concept"]
    }


def test_contact_outcomes_are_interactive_or_attempts():
    kinds = {code: found["kind"] for code, found in properties("cm-contact-outcome").items()}
    assert {code for code, kind in kinds.items() if kind == "interactive"} == INTERACTIVE
    assert {code for code, kind in kinds.items() if kind == "attempt"} == ATTEMPTS


def test_the_days_between_contacts_are_those_of_the_acuity():
    found = {code: item["maxContactIntervalDays"] for code, item in properties("cm-acuity").items()}
    assert found == CONTACT_DAYS


def test_business_statuses_have_the_group_and_task_statuses_of_the_code_system():
    found = {
        code: (item["group"], frozenset(item["allowedTaskStatus"].split()))
        for code, item in properties("cm-business-status").items()
    }
    assert found == BUSINESS


def test_the_dispositions_to_the_community_are_those_of_the_value_set():
    text = (PROFILES / "valuesets" / "ValueSet-cm-nubc-community.json").read_text()
    listed = json.loads(text)["compose"]["include"]
    assert {item["system"] for item in listed} == set(DISCHARGE_SYSTEMS)
    for item in listed:
        assert {one["code"] for one in item["concept"]} == COMMUNITY_DISPOSITIONS
