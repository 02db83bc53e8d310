"""What is counted of requests: by the shape of their path, over all forked processes, never as the path came."""

import os

import pytest

from fhirplan.web.traffic import Traffic


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/fhir", "/fhir"),
        ("/fhir/metadata", "/fhir/metadata"),
        ("/fhir/Goal", "/fhir/[type]"),
        ("/fhir/Goal/_search", "/fhir/[type]/_search"),
        ("/fhir/Goal/a-name", "/fhir/[type]/[id]"),
        ("/fhir/Goal/a-name/_history/3", "/fhir/[type]/[id]/_history/[version]"),
        ("/fhir/Patient/a-name/$everything", "/fhir/[type]/[id]/$operation"),
        ("/north/fhir/Goal/a-name", "/fhir/[type]/[id]"),
        ("/fhir/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"),
        ("/chart/patients/a-name", "/chart/…"),
        ("/healthz", "/healthz"),
        ("/a-name", "other"),
        ("/fhir/Goal/a/b/c/d", "other"),
        ("", "other"),
    ],
)
def test_a_path_is_told_by_its_shape(path, route):
    assert Traffic(["/healthz"], ["chart"]).route(path) == route


def test_requests_are_told_at_metrics_without_their_ids(configured):
    web = configured()
    assert web.client.get("/fhir/Goal/somebody").status_code == 404
    web.client.get("/healthz")
    text = web.client.get("/metrics").text
    asked = 'route="/fhir/[type]/[id]",method="GET"'
    assert f'fhirplan_http_requests_total{{{asked},status="4xx"}} 1' in text
    assert f'fhirplan_http_request_seconds_bucket{{{asked},le="+Inf"}} 1' in text
    assert f"fhirplan_http_request_seconds_count{{{asked}}} 1" in text
    assert 'fhirplan_http_requests_total{route="/healthz",method="GET",status="2xx"} 1' in text
    assert "somebody" not in text


def test_a_request_that_breaks_is_counted_as_5xx():
    traffic = Traffic()

    def broken(_environ, _start):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        traffic.around(broken)({"PATH_INFO": "/fhir", "REQUEST_METHOD": "BREW"}, None)
    ((route, method, by_class, by_time, _),) = traffic.counted()
    assert (route, method, by_class, sum(by_time)) == ("/fhir", "other", (0, 0, 0, 1), 1)


def test_all_processes_are_told_and_a_row_of_a_dead_one_is_gone_on_with():
    traffic = Traffic()
    for number in range(3):
        child = os.fork()
        if not child:
            traffic.add("/fhir", "GET", 200, 0.004 if number else 7.0)
            os._exit(0)
        os.waitpid(child, 0)
    traffic.add("/fhir", "GET", 200, 0.03)
    ((route, method, by_class, by_time, seconds),) = traffic.counted()
    assert (route, method, by_class) == ("/fhir", "GET", (4, 0, 0, 0))
    assert (by_time[0], by_time[3], by_time[-1]) == (2, 1, 1)
    assert seconds == pytest.approx(7.038)
