"""web/proxies: who called, where proxies stand between; what anybody can write into a header counts for nothing."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.web.proxies import caller

OURS = [ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
HERE = "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (HERE, "", HERE),
        (HERE, "192.0.2.7", "192.0.2.7"),
        (HERE, "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (HERE, "192.0.2.7, 10.1.2.3", "192.0.2.7"),
        (HERE, "10.1.2.3", "10.1.2.3"),
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"),
        (HERE, "2001:db8::7", "2001:db8::7"),
        ("fd00::1", "[2001:db8::7]:40312", "2001:db8::7"),
        (HERE, "[2001:db8::7]", "2001:db8::7"),
        (HERE, "192.0.2.7:40312", "192.0.2.7"),
        ("::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7"),
        (HERE, "192.0.2.7, unknown", HERE),
        (HERE, "192.0.2.7, ", HERE),
        (HERE, "192.0.2.7, 10.1.2.3, _hidden", HERE),
        ("", "192.0.2.7", ""),
    ],
)
def test_the_caller_is_the_nearest_that_is_no_proxy_of_ours(peer, forwarded, expected):
    assert caller(peer, forwarded, OURS) == expected


@given(st.text(max_size=60), st.ip_addresses().filter(lambda item: not any(item in network for network in OURS)))
def test_whatever_a_caller_writes_it_is_called_by_its_own_address(written, own):
    mapped = getattr(own, "ipv4_mapped", None)
    assert caller(HERE, f"{written}, {own}", OURS) == str(mapped or own)
    assert caller(str(own), written, OURS) == str(own)


def test_limits_count_for_who_called_the_proxy(configured):
    api = configured(auth="smart", rate_limit=2, trusted_proxies=(HERE,))

    def asked(address):
        return api.get("Goal/g", **{"X-Forwarded-For": address}).status_code

    assert [asked("192.0.2.7") for _ in range(3)] == [401, 401, 429]
    assert [asked("192.0.2.8"), asked("10.9.9.9, 192.0.2.7")] == [401, 429]


def test_nobody_is_believed_unless_the_settings_name_them(configured):
    api = configured(auth="smart", rate_limit=2)
    asked = [api.get("Goal/g", **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(3)]
    assert asked == [401, 401, 429]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_an_open_server_answers_nothing_that_a_proxy_brings(api, header):
    assert api.get("metadata", **{header: "127.0.0.1"}).status_code == 403
