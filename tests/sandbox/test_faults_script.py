"""Scripts of faults: when each rule is due, what counts, what repeats with a seed, and what is refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.errors import MalformedRequest
from fhirplan.sandbox.faults import SHAPES, Faults, Occasion, read, rules

GET = Occasion("GET", "Task/t")


def fired(faults, occasions):
    """The kinds of the faults that befell these requests, "" for none."""
    chosen = [faults.choose(occasion) for occasion in occasions]
    return [rule.fault if rule else "" for rule in chosen]


def which(script, number=10, occasion=GET):
    """Which of so many equal requests, counted from 1, were befallen."""
    found = fired(Faults(rules([{"fault": "throttle", **script}])), [occasion] * number)
    return [index for index, kind in enumerate(found, 1) if kind]


@pytest.mark.parametrize(("script", "expected"), [
    ({}, list(range(1, 11))),
    ({"times": 2}, [1, 2]),
    ({"nth": 3}, [3]),
    ({"nth": 3, "times": 2}, [3, 4]),
    ({"every": 3}, [3, 6, 9]),
    ({"every": 3, "times": 2}, [3, 6]),
    ({"rate": 1.0}, list(range(1, 11))),
    ({"rate": 0.0}, []),
])  # fmt: skip
def test_when_a_rule_is_due(script, expected):
    assert which(script) == expected


@pytest.mark.parametrize(("match", "line", "fits"), [
    ("*", "GET Task/t", True), ("GET Task/*", "GET Task/t", True), ("GET Task", "GET Task/t", False),
    ("PUT *", "GET Task/t", False), ("* CarePlan*", "GET CarePlan", True), ("POST", "POST ", True),
    (["PUT *", "GET *"], "GET Task/t", True), ([], "GET Task/t", False), ("get task/*", "GET Task/t", False),
    ("POST auth/token", "POST auth/token", True),
])  # fmt: skip
def test_a_pattern_is_of_method_and_path(match, line, fits):
    method, _, path = line.partition(" ")
    assert bool(which({"match": match}, 1, Occasion(method, path))) is fits


@pytest.mark.parametrize(("kind", "befallen"), [
    ("throttle", {"read", "search", "update", "patch", "create", "bundle", "history", "page", "metadata", "token",
                  "post search"}),
    ("duplicates", {"search", "history", "page", "post search"}),
    ("skew", {"update", "patch", "create", "bundle"}),
    ("stale", {"read", "search", "history", "page", "post search"}),
    ("bump", {"update", "patch", "bundle"}),
    ("expired-page", {"page"}),
    ("expired-token", {"read"}),
    ("outcome", {"read", "search", "update", "patch", "create", "bundle", "history", "page", "post search"}),
])  # fmt: skip
def test_what_a_fault_can_befall(kind, befallen):
    occasions = {
        "read": Occasion("GET", "Task/t", token=True),
        "search": Occasion("GET", "Task"),
        "post search": Occasion("POST", "Task/_search"),
        "page": Occasion("GET", "Task", paging=True),
        "history": Occasion("GET", "Task/_history"),
        "create": Occasion("POST", "Task"),
        "update": Occasion("PUT", "Task/t"),
        "patch": Occasion("PATCH", "Task/t"),
        "bundle": Occasion("POST", ""),
        "metadata": Occasion("GET", "metadata"),
        "token": Occasion("POST", "auth/token"),
    }
    script = rules([{"fault": kind}])
    assert {name for name, occasion in occasions.items() if Faults(script).choose(occasion)} == befallen


def test_one_fault_befalls_a_request_and_the_other_waits_its_turn():
    faults = Faults(
        rules([{"fault": "throttle", "nth": 2}, {"fault": "slow", "nth": 2}, {"fault": "html", "every": 2}])
    )
    assert fired(faults, [GET] * 5) == ["", "throttle", "slow", "html", ""]


@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_a_seed_repeats_the_run(seed, rate):
    script = rules([{"fault": "throttle", "rate": rate}, {"fault": "slow", "rate": rate, "match": "GET *"}])
    assert fired(Faults(script, seed=seed), [GET] * 30) == fired(Faults(script, seed=seed), [GET] * 30)


def test_rates_are_about_right():
    found = which({"rate": 0.2}, 2000)
    assert 320 < len(found) < 480


def test_counters_say_what_came_and_what_was_done():
    faults = Faults(rules([{"fault": "throttle", "match": "GET *", "every": 2}]), seed=7)
    fired(faults, [GET, Occasion("PUT", "Task/t"), GET, GET, GET])
    counted = faults.counters()
    assert (counted["seed"], counted["requests"], counted["injected"]) == (7, 5, {"throttle": 2})
    assert counted["rules"] == [{"fault": "throttle", "match": "GET *", "every": 2, "matched": 4, "injected": 2}]
    faults.play(rules([{"fault": "slow"}]))
    fired(faults, [GET])
    assert faults.counters()["injected"] == {"slow": 1, "throttle": 2}
    faults.clear()
    assert faults.counters() == {"seed": 7, "requests": 0, "injected": {}, "rules": []}


def test_counting_holds_with_many_threads():
    faults = Faults(rules([{"fault": "throttle", "every": 4, "times": 50}, {"fault": "slow", "rate": 0.5}]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: faults.choose(GET), range(1000)))
    kinds = [rule.fault for rule in found if rule]
    assert kinds.count("throttle") == 50 == faults.counters()["injected"]["throttle"]
    assert kinds.count("slow") == faults.counters()["injected"]["slow"]


@pytest.mark.parametrize(("listed", "said"), [
    ({}, "array"), ([1], "$[0]"), ([{"fault": "banana"}], "banana"), ([{}], "fault"),
    ([{"fault": "slow", "often": 1}], "often"), ([{"fault": "slow", "nth": 1, "rate": 0.5}], "one of"),
    ([{"fault": "slow", "nth": 0}], "1 or more"), ([{"fault": "slow", "times": 0}], "1 or more"),
    ([{"fault": "slow", "rate": 1.5}], "0 to 1"), ([{"fault": "slow", "seconds": -1}], "0 to 600"),
    ([{"fault": "throttle"}, {"fault": "throttle", "seconds": 3}], "$[1]"),
    ([{"fault": "stale", "behind": 0}], "1 or more"), ([{"fault": "html", "status": 42}], "200 to 599"),
    ([{"fault": "outcome", "severity": "bad"}], "severity"), ([{"fault": "bump", "retryAfter": 5}], "retry_after"),
])  # fmt: skip
def test_a_script_that_makes_no_sense_is_refused_with_the_place(listed, said):
    with pytest.raises(MalformedRequest) as refused:
        rules(listed)
    assert said in refused.value.text


def test_a_command_line_is_rates_or_a_script_or_a_file(tmp_path):
    assert [(rule.fault, rule.rate) for rule in read("throttle=0.1, slow=0.05")] == [("throttle", 0.1), ("slow", 0.05)]
    assert {rule.fault for rule in read("all=0.02")} == set(SHAPES) - {"outcome"}
    script = [{"fault": "slow", "seconds": 0.5, "match": ["GET *", "PUT *"], "every": 3}]
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    assert read(json.dumps(script)) == read(str(path)) == rules(script)
    for bad in ("throttle=often", "banana=0.1", "[", "throttle=2"):
        with pytest.raises(MalformedRequest):
            read(bad)
    with pytest.raises(OSError):
        read(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("peer", "headers"), [("10.0.0.7", {}), ("127.0.0.1", {"Origin": "http://evil.test"})], ids=["stranger", "browser"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "faults"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "edit")]
)
def test_the_door_to_faults_and_edits_opens_to_this_machine_only(ehr, method, path, peer, headers):
    said = ehr.client.open(
        f"/admin/{path}", method=method, json=[], headers=headers, environ_base={"REMOTE_ADDR": peer}
    )
    assert said.status_code == 403


def test_the_admin_door_sets_shows_and_ends_a_script(ehr):
    set_ = ehr("POST", "/admin/faults", {"rules": [{"fault": "throttle", "nth": 1}], "seed": 5})
    assert (set_.status_code, set_.resource["seed"]) == (200, 5)
    assert ehr("GET", "Task").status_code == 429
    assert ehr("GET", "Task").status_code == 200
    assert ehr("GET", "/admin/faults").resource["injected"] == {"throttle": 1}
    assert ehr("POST", "/admin/faults", [{"fault": "banana"}]).status_code == 400
    assert ehr("POST", "/admin/faults", {"rules": [], "seed": "x"}).status_code == 400
    assert ehr("DELETE", "/admin/faults").resource["injected"] == {}


def test_the_log_tells_the_status_that_the_client_was_told(ehr):
    ehr("POST", "/admin/faults", [{"fault": "throttle"}])
    ehr("GET", "Task")
    assert ehr("GET", "/admin/requests").resource["requests"][-1]["status"] == 429
