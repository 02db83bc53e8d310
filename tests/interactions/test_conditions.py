"""If-Match and If-None-Match."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import MalformedRequest
from fhirplan.interactions.conditions import named_versions, required, unchanged
from fhirplan.interactions.outcomes import StaleVersion
from fhirplan.interactions.values import Interaction
from fhirplan.store.versions import Version


def _asked(if_match="", if_none_match=""):
    return Interaction("update", "http://x/fhir", type="Goal", id="g1", if_match=if_match, if_none_match=if_none_match)


def _version(number, body=b"{}"):
    return Version(1, "Goal", "g1", number, 0, "update", body)


@pytest.mark.parametrize("header", ['W/"3"', '"3"', "3", ' W/"3" ', 'W/"1", W/"3"', "*"])
def test_the_current_version_is_recognised(header):
    assert required(_asked(header), _version(3)) == 3
    assert unchanged(header, _version(3))


def test_no_header_asks_for_nothing():
    assert required(_asked(), None) is None
    assert not unchanged("", _version(3))


@pytest.mark.parametrize("before", [None, _version(4, None), _version(4)])
def test_another_state_is_stale(before):
    with pytest.raises(StaleVersion) as stale:
        required(_asked('W/"3"'), before)
    assert stale.value.current == (4 if before and before.body else 0)


@given(st.text(max_size=30))
def test_any_header_is_read_or_refused(header):
    with contextlib.suppress(MalformedRequest):
        assert named_versions(header, "If-Match")


def test_a_header_that_is_no_etag_is_named():
    with pytest.raises(MalformedRequest) as refused:
        named_versions("the newest", "If-Match")
    assert "If-Match" in refused.value.text


def test_a_create_that_must_not_overwrite_does_not():
    assert required(_asked(if_none_match="*"), None) is None
    assert required(_asked(if_none_match="*"), _version(2, None)) is None
    with pytest.raises(StaleVersion) as refused:
        required(_asked(if_none_match="*"), _version(2))
    assert refused.value.current == 2
