"""What is claimed of search is what the catalog declares, and the compartment is made of parameters that exist."""

import pytest

from fhirplan.catalog import CATALOG
from fhirplan.catalog.compartment import BESIDE, PATIENT, patient_parameters
from fhirplan.catalog.search import MOST_USED, includes, modifiers_of, revincludes
from fhirplan.errors import NotSupported
from fhirplan.search.definitions import RESULTS, SPECIAL
from fhirplan.search.query import parse

VALUES = {
    "token": "http://s|a",
    "reference": "x1",
    "date": "2026",
    "string": "a",
    "uri": "http://a/b",
    "number": "1",
    "quantity": "1",
}
BY_MODIFIER = {"missing": "true", "of-type": "s|c|v", "in": "http://v", "not-in": "http://v", "identifier": "s|1"}


class Codes:
    def expansion(self, valueset):
        return frozenset({("s", "a")})

    def below(self, system, code):
        return frozenset()

    above = below


def asked(type, *pairs):
    return parse(type, CATALOG[type].parameters, pairs, types=CATALOG, codes=Codes())


@pytest.mark.parametrize("type", sorted(CATALOG))
def test_each_claimed_parameter_modifier_include_and_order_is_understood(type):
    spec = CATALOG[type]
    for parameter in spec.parameters:
        value = parameter.targets[0] + "/1" if parameter.targets else VALUES[parameter.type]
        asked(type, (parameter.code, value), ("_sort", f"-{parameter.code}"))
        for modifier in modifiers_of(parameter):
            name = modifier.removeprefix(":")
            asked(type, (parameter.code + modifier, "1" if name[0].isupper() else BY_MODIFIER.get(name, value)))
    for include in includes(spec):
        assert asked(type, ("_include", include), ("_include:iterate", include)).includes
    for include in revincludes(type):
        assert asked(type, ("_revinclude", include), ("_revinclude:iterate", include)).includes


def test_all_that_a_search_may_carry_has_a_word_on_it():
    assert set(MOST_USED) == {*RESULTS, *SPECIAL}


@pytest.mark.parametrize("type", sorted([*PATIENT, *BESIDE]))
def test_the_compartment_is_made_of_references_to_patients(type):
    for code in patient_parameters(type):
        parameter = CATALOG[type].parameter(code)
        assert parameter is not None, code
        assert parameter.type == "reference"
        assert not parameter.targets or "Patient" in parameter.targets


def test_what_belongs_to_nobody_is_not_searched_below_a_patient():
    for type in set(CATALOG) - {*PATIENT, *BESIDE}:
        with pytest.raises(NotSupported) as refused:
            patient_parameters(type)
        assert "Task" in refused.value.text
