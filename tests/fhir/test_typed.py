"""Typed views: what fits becomes a model, what does not is told in our words, never as a bare KeyError."""

import pytest

from fhirplan.errors import InvalidResource
from fhirplan.fhir import typed

PLAN = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": "Patient/1"}}


def test_a_view_reads_as_an_object():
    assert typed.view(PLAN).subject.reference == "Patient/1"


def test_what_does_not_fit_is_told_with_its_place():
    with pytest.raises(InvalidResource) as told:
        typed.view({**PLAN, "period": {"start": "nonsense"}})
    assert "CarePlan.period" in {issue.expression.rpartition(".")[0] for issue in told.value.issues}


def test_an_unknown_resource_inside_is_told():
    with pytest.raises(InvalidResource):
        typed.view({**PLAN, "contained": [{"resourceType": "Nope"}]})


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Nope"}, {"resourceType": 5}])
def test_what_is_no_resource_is_told(resource):
    with pytest.raises(InvalidResource):
        typed.view(resource)


def test_what_is_of_r4b_alone_is_refused():
    with pytest.raises(InvalidResource) as told:
        typed.view({"resourceType": "PlanDefinition", "status": "draft", "subjectCanonical": "http://example.org/x"})
    assert told.value.issues[0].expression == "PlanDefinition.subjectCanonical"


def test_a_type_the_library_does_not_have_is_told():
    with pytest.raises(InvalidResource):
        typed.model_class("EffectEvidenceSynthesis")
