"""Which interaction a method and a path mean."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import FhirplanError, MalformedRequest, NotSupported
from fhirplan.interactions.address import Address, address
from fhirplan.interactions.outcomes import MethodNotAllowed


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "Goal/g1", Address("read", "Goal", "g1")),
        ("HEAD", "Goal/g1", Address("read", "Goal", "g1")),
        ("PUT", "Goal/g1", Address("update", "Goal", "g1")),
        ("DELETE", "Goal/g1", Address("delete", "Goal", "g1")),
        ("GET", "Goal/g1/_history", Address("history-instance", "Goal", "g1")),
        ("GET", "Goal/g1/_history/3", Address("vread", "Goal", "g1", "3")),
        ("GET", "Goal", Address("search-type", "Goal")),
        ("GET", "Goal/", Address("search-type", "Goal")),
        ("POST", "Goal/_search", Address("search-type", "Goal")),
        ("POST", "Goal", Address("create", "Goal")),
        ("POST", "Goal/$validate", Address("validate", "Goal")),
        ("POST", "Goal/g1/$validate", Address("validate", "Goal", "g1")),
        ("POST", "", Address("bundle")),
        ("GET", "metadata", Address("capabilities")),
        ("PATCH", "Goal/g1", Address("patch", "Goal", "g1")),
        ("PATCH", "Goal", Address("patch", "Goal")),
        ("PUT", "Goal", Address("update", "Goal")),
        ("DELETE", "Goal", Address("delete", "Goal")),
        ("GET", "Goal/_history", Address("history-type", "Goal")),
        ("GET", "_history", Address("history-system")),
        ("GET", "", Address("search-system")),
        ("POST", "_search", Address("search-system")),
        ("GET", "Patient/p1/Task", Address("search-compartment", "Task", "p1")),
        ("POST", "Patient/p1/Task/_search", Address("search-compartment", "Task", "p1")),
        ("GET", "Patient/p1/*", Address("search-compartment", "", "p1")),
        ("POST", "Patient/p1/_search", Address("search-compartment", "", "p1")),
        ("GET", "Patient/$everything", Address("everything", "Patient")),
    ],
)
def test_each_address_is_one_interaction(method, path, expected):
    assert address(method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "Banana/b1", NotSupported),
        ("GET", "Goal/g1/x", NotSupported),
        ("GET", "Goal/$everything", NotSupported),
        ("PATCH", "Goal/g1/_history", MethodNotAllowed),
        ("PUT", "_history", MethodNotAllowed),
        ("POST", "Goal/g1", MethodNotAllowed),
        ("GET", "Goal/g_1", MalformedRequest),
    ],
)
def test_what_is_not_served_is_refused(method, path, error):
    with pytest.raises(error):
        address(method, path)


@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "BREW"]), st.text(max_size=60))
def test_no_address_breaks_the_reader(method, path):
    with contextlib.suppress(FhirplanError):
        assert address(method, path).kind
