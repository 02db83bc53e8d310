"""R4 as the profiles build on it."""

import pytest

from fhirplan.fhir import structure


@pytest.fixture(scope="session")
def r4_element():
    """The R4 element of a path, followed through the types of its parents (CarePlan.period.start)."""

    def of(path):
        name, *steps = path.split(".")
        definition, below = structure.definition(name), ""
        found = definition.element("")
        for step in steps:
            below = f"{below}.{step}" if below else step
            found = definition.element(below)
            if found is None:
                parent = definition.element(below.rpartition(".")[0])
                below = step
                definition = next(
                    made for type_ in parent.types if (made := structure.definition(type_.code)).element(step)
                )
                found = definition.element(below)
            assert found is not None, path
        return found

    return of
