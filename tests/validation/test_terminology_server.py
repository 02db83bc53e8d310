"""What cannot be told offline is asked of a terminology server; its silence is said, short, and stops nothing."""

import contextlib
import http.server
import json
import threading
import time

import pytest
from click.testing import CliRunner

from fhirplan.cli import validate as command
from fhirplan.ehr.terminology import LEFT_ALONE_SECONDS, TerminologyServer
from fhirplan.fhir.codec import dumps
from fhirplan.validation import Validator
from fhirplan.validation.asking import NoAnswer

SNOMED = "http://snomed.info/sct"
SET = "http://example.org/ValueSet/isa"


class Server(http.server.ThreadingHTTPServer):
    """Holds the code 38341003 in every value set; knows no value set whose name ends in unknown."""

    daemon_threads = True
    delay = 0.0
    status = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/r4"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {one["name"]: next(v for k, v in one.items() if k != "name") for one in body["parameter"]}
        self.server.asked.append((self.path, said))
        time.sleep(self.server.delay)
        status = 404 if said["url"].endswith("unknown") else self.server.status
        held = {"name": "result", "valueBoolean": said["code"] == "38341003"}
        text = json.dumps({"resourceType": "Parameters", "parameter": [held]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        with contextlib.suppress(OSError):  # who asked may no longer wait
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Server()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def bound(tmp_path, profile, element):
    """Makes a validator whose profile binds CarePlan.category to codes below a SNOMED concept."""

    def make(ask, strength="required", value_set=SET):
        below = {"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": "404684003"}]}
        values = {"resourceType": "ValueSet", "url": value_set, "status": "active", "compose": {"include": [below]}}
        binding = {"strength": strength, "valueSet": value_set}
        one = profile("CarePlan", element("CarePlan.category", binding=binding))
        for name, resource in (("ValueSet-a", values), ("StructureDefinition-a", one)):
            (tmp_path / f"{name}.json").write_bytes(dumps(resource))
        return lambda plan: Validator.load(tmp_path, ask=ask).validate(plan, [one["url"]], policy="base")

    return make


def _category(*codes):
    return [{"coding": [{"system": SNOMED, "code": code} for code in codes]}]


def _said(issues):
    return [(one.severity, one.code, one.rule) for one in issues]


def test_a_code_the_server_holds_is_valid(server, bound, plan):
    plan["category"] = _category("38341003")
    assert bound(TerminologyServer(server.url).opened)(plan) == ()
    assert server.asked == [
        ("/r4/ValueSet/$validate-code", {"url": SET, "code": "38341003", "system": SNOMED}),
    ]


def test_a_code_the_server_does_not_hold_breaks_the_binding_as_strongly_as_it_binds(server, bound, plan):
    plan["category"] = _category("73211009")
    assert _said(bound(TerminologyServer(server.url).opened)(plan)) == [("error", "code-invalid", "cm-binding")]
    weaker = bound(TerminologyServer(server.url).opened, "extensible")(plan)
    assert _said(weaker) == [("warning", "code-invalid", "cm-binding")]


def test_one_code_of_a_concept_that_is_held_is_enough(server, bound, plan):
    plan["category"] = _category("73211009", "38341003")
    assert bound(TerminologyServer(server.url).opened)(plan) == ()


def test_a_value_set_the_server_does_not_have_leaves_the_code_not_checked(server, bound, plan):
    plan["category"] = _category("73211009")
    ask = TerminologyServer(server.url).opened
    [issue] = bound(ask, value_set="http://example.org/ValueSet/unknown")(plan)
    assert (issue.severity, issue.code) == ("information", "not-supported")


def test_what_can_be_told_offline_is_not_asked(server, bound, plan):
    plan["category"] = _category("not a code")
    assert _said(bound(TerminologyServer(server.url).opened)(plan))[0] == ("error", "code-invalid", "cm-binding")
    assert server.asked == []


@pytest.mark.parametrize("status", [500, 503, 429, 401])
def test_a_server_that_fails_is_said_to_have_given_no_answer(server, bound, plan, status):
    server.status = status
    plan["category"] = _category("73211009")
    [issue] = bound(TerminologyServer(server.url).opened)(plan)
    assert (issue.severity, issue.code) == ("information", "transient")
    assert "the terminology server did not answer" in issue.text


def test_a_server_that_is_down_or_slow_costs_one_time_limit_and_is_then_left_alone(server, bound, plan):
    server.delay = 5.0
    plan["category"] = [_category(code)[0] for code in ("73211009", "38341003", "44054006")]
    check = bound(TerminologyServer(server.url, timeout=0.3).opened)
    before = time.monotonic()
    assert _said(check(plan)) == [("information", "transient", "cm-binding")] * 3
    assert time.monotonic() - before < server.delay
    assert len(server.asked) == 1


def test_nothing_listens_there(bound, plan):
    plan["category"] = _category("73211009")
    check = bound(TerminologyServer("http://127.0.0.1:9/r4", timeout=0.3).opened)
    assert _said(check(plan)) == [("information", "transient", "cm-binding")]


def test_an_answer_is_kept_and_a_silent_server_is_tried_again_later(server):
    now = [0.0]
    asking = TerminologyServer(server.url, clock=lambda: now[0])
    assert [asking.opened()(SET, SNOMED, "38341003") for _ in range(3)] == [True] * 3
    assert len(server.asked) == 1
    server.status = 500
    for _ in range(2):
        with pytest.raises(NoAnswer):
            asking.opened()(SET, SNOMED, "73211009")
    assert len(server.asked) == 2
    assert asking.opened()(SET, SNOMED, "38341003") is True
    server.status, now[0] = 200, LEFT_ALONE_SECONDS + 1
    assert asking.opened()(SET, SNOMED, "73211009") is False


def test_the_answers_kept_are_bounded(server, monkeypatch):
    monkeypatch.setattr("fhirplan.ehr.terminology.MOST_KEPT", 2)
    asking = TerminologyServer(server.url)
    for code in ("a", "b", "c", "c", "a"):
        asking.opened()(SET, None, code)
    assert [said["code"] for _, said in server.asked] == ["a", "b", "c", "a"]
    assert all(said["inferSystem"] is True for _, said in server.asked)


def test_the_command_asks_the_server_of_the_settings(server, tmp_path, plan, bound):
    bound(None)  # writes the definitions
    plan["category"] = _category("73211009")
    answer = CliRunner().invoke(
        command.command,
        [
            "--package",
            str(tmp_path),
            "--profile",
            "http://example.org/StructureDefinition/one",
            "--policy",
            "base",
            "-",
        ],
        input=dumps(plan),
        env={"FHIRPLAN_TERMINOLOGY_URL": server.url},
    )
    assert answer.exit_code == 1
    assert len(server.asked) == 1


def test_an_answer_that_is_no_longer_kept_makes_no_error_of_a_valid_code(server, bound, plan, monkeypatch):
    monkeypatch.setattr("fhirplan.ehr.terminology.MOST_KEPT", 1)
    asking = TerminologyServer(server.url)
    plan["category"] = _category("38341003")
    check = bound(asking.opened)
    assert check(plan) == ()
    asking.opened()(SET, None, "another")
    server.status = 500
    assert _said(check(plan)) == [("information", "transient", "cm-binding")]
