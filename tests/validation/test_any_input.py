"""No input makes the validator raise: wrong types everywhere, deep nesting, huge strings, hostile profiles."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.errors import Misconfigured
from fhirplan.fhir import structure
from fhirplan.fhir.codec import dumps
from fhirplan.validation import Validator, texts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["status", "subject", "period", "category", "contained", "extension", "_status", "text", "meta", "activity"]


@settings(max_examples=150)
@given(members=st.dictionaries(st.sampled_from(NAMES), JSON), type_=st.sampled_from(["CarePlan", "Goal", "Bundle"]))
def test_any_content_of_any_element_gets_an_answer(ours, members, type_):
    issues = ours.validate({"resourceType": type_, **members})
    assert all(issue.text for issue in issues)


@settings(max_examples=60)
@given(value=JSON)
def test_any_json_value_gets_an_answer(ours, value):
    assert isinstance(ours.validate(value), tuple)


@pytest.mark.parametrize("type_", sorted(structure.resource_types()))
def test_every_resource_type_can_be_checked(plain, type_):
    issues = plain.validate({"resourceType": type_, "id": "x", "foo": 1}, policy="base")
    assert f"{type_}.foo" in {issue.expression for issue in issues}


def test_nesting_beyond_measure_is_an_error_not_a_crash(plain, plan):
    inner = {"url": "http://example.org/x", "valueCode": "a"}
    for _ in range(3000):
        inner = {"url": "http://example.org/x", "extension": [inner]}
    plan["extension"] = [inner]
    assert "too-costly" in {issue.code for issue in plain.validate(plan, policy="base")}


def test_a_million_characters_are_read_in_no_time(plain, plan):
    before = time.process_time()
    plan["title"] = "a " * 500_000
    plan["period"] = {"start": "2026-" + "0" * 1_000_000}
    plan["instantiatesUri"] = ["x" * 1_000_000]
    plain.validate(plan, policy="base")
    assert time.process_time() - before < 5


def test_threads_that_start_together_find_the_same(plan):
    validator = Validator.load()
    plan.update(status="nope", subject={"reference": "Group/1"}, activity=[{"detail": {"status": "x"}}])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: validator.validate(plan), range(64)))
    assert len(answers[0]) > 5
    assert all(answer == answers[0] for answer in answers)


def test_the_same_input_is_not_changed(ours, plan):
    before = copy.deepcopy(plan)
    ours.validate(plan)
    assert plan == before


def test_a_profile_whose_base_leads_back_to_itself(with_definitions, profile, plan):
    one = profile("CarePlan", name="one", base="http://example.org/StructureDefinition/two")
    two = profile("CarePlan", name="two", base="http://example.org/StructureDefinition/one")
    issues = with_definitions(one, two).validate(plan, [one["url"]], policy="base")
    assert [(issue.rule, issue.is_error) for issue in issues] == [("cm-profile", True)]


def test_a_profile_that_is_not_here_is_said(plain, plan):
    plan["meta"] = {"profile": ["http://example.org/StructureDefinition/gone"]}
    (issue,) = plain.validate(plan, policy="declared")
    assert (issue.severity, issue.rule) == ("warning", "cm-profile")


def test_a_rule_that_cannot_be_evaluated_is_a_warning(with_definitions, profile, plan):
    rule = {"key": "x-1", "severity": "error", "human": "Odd.", "expression": "frobnicate(1) and ("}
    one = profile("CarePlan")
    one["differential"]["element"][0]["constraint"] = [rule]
    issues = with_definitions(one).validate(plan, [one["url"]], policy="base")
    assert [(issue.severity, issue.rule) for issue in issues] == [("warning", "x-1")]


def test_a_regex_that_never_ends_does_not_hold_up_the_rest(with_definitions, profile, plan):
    rule = {"key": "x-1", "severity": "error", "human": "Odd.", "expression": "title.matches('^(a+)+$')"}
    one = profile("CarePlan")
    one["differential"]["element"][0]["constraint"] = [rule]
    plan["title"] = "a" * 5000 + "!"
    before = time.process_time()
    issues = with_definitions(one).validate(plan, [one["url"]], policy="base")
    assert time.process_time() - before < 5
    assert "x-1" in {issue.rule for issue in issues}


def test_a_value_set_that_includes_itself(with_definitions, profile, element, plan):
    url = "http://example.org/ValueSet/v"
    values = {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": [{"valueSet": [url]}]},
    }
    one = profile("CarePlan", element("CarePlan.category", binding={"strength": "required", "valueSet": url}))
    issues = with_definitions(one, values).validate(plan, [one["url"]], policy="base")
    assert not any(issue.is_error for issue in issues)


def test_a_package_with_a_path_that_leads_out_is_refused(tmp_path):
    import io
    import tarfile

    bad = tmp_path / "bad.tgz"
    with tarfile.open(bad, "w:gz") as archive:
        member = tarfile.TarInfo("package/../../evil.json")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))
    with pytest.raises(Misconfigured):
        Validator.load(tmp_path / "none", [bad])


def test_a_package_that_is_none_is_refused(tmp_path):
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"not a package")
    with pytest.raises(Misconfigured):
        Validator.load(tmp_path / "none", [wrong])
    with pytest.raises(Misconfigured):
        Validator.load(tmp_path / "none", ["no.such.package#1.0.0"])


def test_a_profile_whose_base_is_not_here(with_definitions, profile, plan):
    one = profile("CarePlan", base="http://example.org/StructureDefinition/gone")
    [issue] = with_definitions(one).validate(plan, [one["url"]], policy="base")
    assert (issue.rule, issue.is_error) == ("cm-profile", True)
    assert "http://example.org/StructureDefinition/gone" in issue.text


def test_two_hundred_levels_of_nesting_are_checked_and_told(plain, plan):
    inner = {"url": "http://example.org/x", "valueCode": " bad"}
    for _ in range(200):
        inner = {"url": "http://example.org/x", "extension": [inner]}
    before = time.process_time()
    issues = plain.validate({**plan, "extension": [inner]}, policy="base")
    assert time.process_time() - before < 5
    assert {issue.code for issue in issues} & {"value", "too-costly"}


@pytest.mark.parametrize(
    "endless",
    [
        "status.repeat('x' & $this).count() > 0",
        "activity.select(%resource.title & 'x').count() < 0",
    ],
)
def test_a_fhirpath_that_grows_without_end_is_given_up(with_definitions, profile, plan, endless):
    plan |= {"title": "a " * 400_000, "activity": [{"detail": {"status": "unknown"}}] * 2000}
    rule = {"key": "x-1", "severity": "error", "human": "Odd.", "expression": endless}
    one = profile("CarePlan")
    one["differential"]["element"][0]["constraint"] = [rule]
    before = time.process_time()
    issues = with_definitions(one).validate(plan, [one["url"]], policy="base")
    assert time.process_time() - before < 10
    assert ("warning", "x-1") in {(issue.severity, issue.rule) for issue in issues}


def test_a_bundle_of_fifty_megabytes_is_checked_in_bounded_time_and_all_its_faults_are_not_told_twice(plain, plan):
    long = {**plan, "title": "a " * 500_000, "status": "nope"}
    entries = [{"fullUrl": f"http://example.org/CarePlan/p{n}", "resource": {**long, "id": f"p{n}"}} for n in range(50)]
    text = dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert len(text) > 50_000_000
    before = time.process_time()
    report = texts.check(plain, text, policy="base")
    assert time.process_time() - before < 20
    wrong = [issue.expression for issue in report.issues if issue.is_error]
    assert wrong == [f"Bundle.entry[{n}].resource.status" for n in range(50)]


def test_the_findings_of_a_bundle_full_of_faults_are_bounded(plain):
    entry = {"fullUrl": "http://example.org/Goal/g", "resource": {"resourceType": "Goal", "id": "g", "foo": 1}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry] * 5000}
    before = time.process_time()
    issues = plain.validate(bundle, policy="base")
    assert time.process_time() - before < 20
    assert 0 < len(issues) <= 1000
