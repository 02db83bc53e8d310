"""A validator without our profiles, and small resources to damage."""

import copy

import pytest

from fhirplan.fhir.codec import dumps
from fhirplan.validation import Validator
from fhirplan.validation.definitions import Definitions
from fhirplan.validation.valuesets import Terminology


@pytest.fixture(scope="session")
def plain():
    """A validator that knows R4 alone."""
    definitions = Definitions()
    return Validator(definitions, Terminology(definitions.terminology))


@pytest.fixture(scope="session")
def ours():
    """A validator with our profiles."""
    return Validator.load()


@pytest.fixture
def with_definitions(tmp_path):
    """Makes a validator that knows the definitions given."""

    def make(*definitions):
        for number, one in enumerate(definitions):
            (tmp_path / f"{one['resourceType']}-{number}.json").write_bytes(dumps(one))
        return Validator.load(tmp_path)

    return make


PLAN = {
    "resourceType": "CarePlan",
    "id": "plan-1",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">A plan</div>'},
    "status": "active",
    "intent": "plan",
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-02"},
    "category": [{"coding": [{"system": "http://example.org/kind", "code": "a"}], "text": "A"}],
    "note": [{"text": "Called", "time": "2026-03-02T10:00:00Z"}],
}


@pytest.fixture
def plan():
    """A CarePlan that keeps every rule of R4."""
    return copy.deepcopy(PLAN)


@pytest.fixture
def errors():
    """The errors of a validation as (rule, code, expression)."""

    def found(issues):
        return [(one.rule, one.code, one.expression) for one in issues if one.is_error]

    return found


def profile(type_, *elements, name="one", base=None, **more):
    """A StructureDefinition with a differential."""
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": f"http://example.org/StructureDefinition/{name}",
        "version": "1.0.0",
        "name": name.title(),
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": type_,
        "baseDefinition": base or f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "derivation": "constraint",
        "differential": {"element": [{"id": type_, "path": type_}, *elements]},
        **more,
    }


def element(id_, **said):
    """An element of a differential; its path is worked out of its id."""
    path = ".".join(step.partition(":")[0] for step in id_.split("."))
    slice_ = id_.rpartition(".")[2].partition(":")[2]
    return {"id": id_, "path": path, **({"sliceName": slice_} if slice_ else {}), **said}


@pytest.fixture(name="profile")
def profile_maker():
    """Makes StructureDefinitions."""
    return profile


@pytest.fixture(name="element")
def element_maker():
    """Makes elements of differentials."""
    return element
