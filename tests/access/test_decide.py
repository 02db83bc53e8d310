"""Who may do what before SMART tokens are served."""

import pytest

from fhirplan.access.decide import ANYBODY, OPERATOR, decide
from fhirplan.errors import NotAuthenticated


@pytest.mark.parametrize("kind", ["read", "create", "bundle", "search-type", "validate"])
def test_smart_lets_nobody_do_anything_with_patients(kind):
    with pytest.raises(NotAuthenticated) as refused:
        decide(None, kind, "Goal", "smart")
    assert refused.value.issues[0].code == "login"


def test_anybody_may_read_what_the_server_can_do():
    decide(None, "capabilities", "", "smart")


def test_open_lets_everybody_do_everything():
    decide(ANYBODY, "delete", "Patient", "open")


def test_the_operator_may_load_whatever_the_setting():
    decide(OPERATOR, "bundle", "", "smart")
