"""fhir/patch: JSON Patch as RFC 6902 has it, all or nothing, and bounded."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.errors import InvalidResource, MalformedRequest, Refused, TooCostly, VersionMismatch
from fhirplan.fhir.codec import dumps, loads
from fhirplan.fhir.patch import FailedTest, diff, json_patch, patched

PLAN = {
    "resourceType": "CarePlan",
    "id": "p1",
    "status": "draft",
    "note": [{"text": "first"}, {"text": "second"}],
    "_title": {"id": "t"},
    "period": {"start": "2026-03-01"},
}


def op(kind, path, **more):
    return {"op": kind, "path": path, **{"from" if key == "source" else key: value for key, value in more.items()}}


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": 1}, [], {"a": 1}),
        ({"a": 1}, [op("add", "/b", value=[2])], {"a": 1, "b": [2]}),
        ({"a": 1}, [op("add", "/a", value=None)], {"a": None}),
        ([1, 2], [op("add", "/1", value=9)], [1, 9, 2]),
        ([1, 2], [op("add", "/2", value=9)], [1, 2, 9]),
        ([1, 2], [op("add", "/-", value=9)], [1, 2, 9]),
        ([], [op("add", "/0", value=9)], [9]),
        ({"a": {"b": []}}, [op("add", "/a/b/-", value={})], {"a": {"b": [{}]}}),
        ({}, [op("add", "/", value=1)], {"": 1}),
        ({}, [op("add", "", value=[1])], [1]),
        ({"a": [1, 2, 3]}, [op("remove", "/a/1")], {"a": [1, 3]}),
        ({"a": 1}, [op("remove", "/a")], {}),
        ({"a": None}, [op("replace", "/a", value=0)], {"a": 0}),
        ([1, 2], [op("replace", "/1", value=[3])], [1, [3]]),
        ({"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}),
        ({"a": {"x": 1}, "b": {}}, [op("move", "/b/y", source="/a/x")], {"a": {}, "b": {"y": 1}}),
        ([1, 2, 3, 4], [op("move", "/3", source="/0")], [2, 3, 4, 1]),
        ([1, 2, 3], [op("move", "/0", source="/2")], [3, 1, 2]),
        ([1, 2], [op("move", "/-", source="/0")], [2, 1]),
        ({"a": 1}, [op("move", "/a", source="/a")], {"a": 1}),
        ({"a": {"b": 1}}, [op("move", "/a", source="/a/b")], {"a": 1}),
        ({"a": {"b": 1}}, [op("copy", "/a/c", source="/a")], {"a": {"b": 1, "c": {"b": 1}}}),
        ({"a~/b": 1}, [op("replace", "/a~0~1b", value=2)], {"a~/b": 2}),
        ({"~1": 1}, [op("remove", "/~01")], {}),
        ({"0": 1, "-": 2}, [op("remove", "/0"), op("remove", "/-")], {}),
        ({"a": {"x": 1, "y": [1, {"z": None}]}}, [op("test", "/a", value={"y": [1, {"z": None}], "x": 1})], None),
        ({"a": 1}, [{**op("remove", "/a"), "comment": "what is not known is ignored"}], {}),
    ],
)
def test_each_operation_does_what_the_rfc_says(document, operations, expected):
    before = copy.deepcopy((document, operations))
    assert patched(document, operations) == (document if expected is None else expected)
    assert (document, operations) == before


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        (op("add", "/period/end/x", value=1), InvalidResource, "not-found"),
        (op("add", "/status/x", value=1), InvalidResource, "not-found"),
        (op("add", "/note/3", value={}), InvalidResource, "invalid"),
        (op("add", "/note/01", value={}), InvalidResource, "invalid"),
        (op("add", "/note/1e0", value={}), InvalidResource, "invalid"),
        (op("add", "/note/-1", value={}), InvalidResource, "invalid"),
        (op("add", "/note/x", value={}), InvalidResource, "invalid"),
        (op("remove", "/note/-"), InvalidResource, "invalid"),
        (op("remove", "/note/2"), InvalidResource, "invalid"),
        (op("remove", "/goal"), InvalidResource, "not-found"),
        (op("remove", ""), InvalidResource, "invalid"),
        (op("replace", "/goal", value=[]), InvalidResource, "not-found"),
        (op("move", "/a", source="/goal"), InvalidResource, "not-found"),
        (op("copy", "/a", source="/note/7"), InvalidResource, "invalid"),
        (op("test", "/goal", value=None), InvalidResource, "not-found"),
        (op("test", "/status", value="active"), FailedTest, "conflict"),
        (op("move", "/period/end", source="/period"), MalformedRequest, "invalid"),
        (op("add", "/status"), MalformedRequest, "invalid"),
        (op("test", "/status"), MalformedRequest, "invalid"),
        (op("copy", "/status"), MalformedRequest, "invalid"),
        (op("remove", "status"), MalformedRequest, "invalid"),
        (op("remove", "/a~2"), MalformedRequest, "invalid"),
        (op("remove", "/a~"), MalformedRequest, "invalid"),
        (op("merge", "/status", value=1), MalformedRequest, "invalid"),
        ({"op": "remove"}, MalformedRequest, "invalid"),
        ({"op": ["remove"], "path": "/note"}, MalformedRequest, "invalid"),
        ({"path": "/note"}, MalformedRequest, "invalid"),
        ("remove", MalformedRequest, "invalid"),
    ],
)
def test_a_failing_operation_is_named_and_nothing_is_changed(operation, error, code):
    before = copy.deepcopy(PLAN)
    with pytest.raises(error) as caught:
        json_patch(PLAN, [op("replace", "/status", value="draft"), op("add", "/x", value=[]), operation])
    assert before == PLAN
    assert type(caught.value) is error
    (issue,) = caught.value.issues
    assert issue.code == code
    assert issue.text.startswith("Operation 2 of the patch (")
    assert issue.text.endswith(".")
    if isinstance(operation, dict) and isinstance(operation.get("path"), str):
        assert operation["path"] in issue.text


def test_the_place_is_told_as_a_fhirpath():
    with pytest.raises(FailedTest) as caught:
        json_patch(PLAN, [op("test", "/note/1/text", value="Rosa Delgado")])
    assert caught.value.issues[0].expression == "CarePlan.note[1].text"
    assert "Rosa" not in caught.value.text
    assert "second" not in caught.value.text


def test_a_failed_test_is_no_version_mismatch():
    assert issubclass(FailedTest, InvalidResource)
    assert not issubclass(FailedTest, VersionMismatch)


@pytest.mark.parametrize("operations", [{}, "x", None, {"op": "remove", "path": "/a"}])
def test_a_patch_that_is_no_array_is_refused(operations):
    with pytest.raises(MalformedRequest):
        json_patch(PLAN, operations)


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/resourceType", value="Goal"),
        op("remove", "/resourceType"),
        op("replace", "/id", value="p2"),
        op("remove", "/id"),
        op("remove", ""),
        op("replace", "", value=[]),
        op("replace", "", value={"resourceType": "Goal", "id": "p1"}),
    ],
)
def test_a_patch_cannot_make_it_another_resource(operation):
    with pytest.raises(InvalidResource):
        json_patch(PLAN, [operation])


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1.50", "1.5", True),
        ("1e2", "100", True),
        ("0.1", "0.10000000000000000001", False),
        ("9007199254740993", "9007199254740992.0", False),
        ("1", "true", False),
        ("0", "false", False),
        ("null", "false", False),
        ('"1"', "1", False),
        ('"a"', '"A"', False),
        ("[]", "{}", False),
        ("[1,2]", "[2,1]", False),
        ('{"a":1,"b":[1.0]}', '{"b":[1],"a":1.00}', True),
        ('{"a":null}', "{}", False),
    ],
)
def test_a_test_compares_numbers_by_value_and_nothing_else(one, other, equal):
    document, operation = {"x": loads(one)}, op("test", "/x", value=loads(other))
    if equal:
        assert dumps(patched(document, [operation])) == dumps(document)
    else:
        with pytest.raises(FailedTest):
            patched(document, [operation])


def test_digits_are_kept_in_what_is_added_moved_copied_and_left_alone():
    document = loads('{"a":1.50,"b":1e3,"c":{"d":0.0000001}}')
    operations = loads('[{"op":"add","path":"/e","value":2.00},{"op":"move","from":"/c/d","path":"/f"},'
                       '{"op":"copy","from":"/b","path":"/g"}]')  # fmt: skip
    assert dumps(patched(document, operations)) == b'{"a":1.50,"b":1e3,"c":{},"e":2.00,"f":0.0000001,"g":1e3}'


def test_a_later_operation_does_not_reach_into_the_patch_itself():
    operations = [op("add", "/x", value={"y": []}), op("copy", "/z", source="/x"), op("add", "/x/y/-", value=1)]
    assert patched({}, operations) == {"x": {"y": [1]}, "z": {"y": []}}
    assert operations[0]["value"] == {"y": []}


def test_the_number_of_operations_is_bounded():
    many = [op("test", "/status", value="draft")] * 1001
    assert json_patch(PLAN, many[:1000]) == PLAN
    with pytest.raises(TooCostly):
        json_patch(PLAN, many)


def test_copies_of_copies_are_stopped_before_they_fill_the_memory():
    bomb = [op("add", "/a", value=["x" * 1000])] + [op("copy", "/a/-", source="/a")] * 60
    with pytest.raises(TooCostly):
        patched({}, bomb)


def test_depth_is_bounded_however_it_is_reached():
    deep = json.loads("[" * 60 + "]" * 60)
    with pytest.raises(TooCostly):
        patched({"a": deep}, [op("copy", "/b", source="/a"), op("add", "/a" + "/0" * 59 + "/-", value=deep)])
    with pytest.raises(TooCostly):
        patched({"a": deep, "b": deep}, [op("move", "/a" + "/0" * 59 + "/0", source="/b")])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "~", "/"])
    | st.sampled_from(["1.0", "1.00", "1e0", "-0", "0.0"]).map(loads),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "b", "~1", "/", ""]), inner),
    max_leaves=15,
)  # fmt: skip


def spelled(value):
    """The JSON of a value with its keys sorted: equal only digit for digit."""
    if isinstance(value, dict):
        return b"{%b}" % b",".join(dumps(key) + b":" + spelled(value[key]) for key in sorted(value))
    if isinstance(value, list):
        return b"[%b]" % b",".join(map(spelled, value))
    return dumps(value)


@given(values, values)
@settings(max_examples=200)
def test_the_difference_of_two_documents_makes_one_of_the_other(old, new):
    before = spelled(old), spelled(new)
    operations = diff(old, new)
    assert spelled(patched(old, operations)) == spelled(new)
    assert (spelled(old), spelled(new)) == before
    assert bool(operations) is (spelled(old) != spelled(new))


@given(values, values, st.integers(1, 4))
def test_a_difference_of_too_many_operations_becomes_coarser_and_stays_true(old, new, most):
    operations = diff(old, new, most=most)
    assert len(operations) <= most
    assert spelled(patched(old, operations, most=most)) == spelled(new)


def test_a_difference_says_little_about_a_small_change():
    new = {**PLAN, "status": "active", "note": [PLAN["note"][0], {"text": "between"}, PLAN["note"][1]]}
    assert diff(PLAN, new) == [
        op("replace", "/status", value="active"),
        op("add", "/note/1", value={"text": "between"}),
    ]
    assert diff(PLAN, PLAN) == []
    assert json_patch(PLAN, diff(PLAN, new)) == new


pointers = st.lists(st.sampled_from(["", "a", "0", "1", "-", "~0", "~1", "~2", "00"]), max_size=3).map(
    lambda steps: "".join("/" + step for step in steps)
)
operations_at_random = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": pointers, "from": pointers},
    optional={"value": values},
)


@given(values, st.lists(operations_at_random, max_size=6))
@settings(max_examples=200)
def test_any_patch_is_carried_out_or_refused_and_never_changes_what_it_was_given(document, operations):
    before = spelled(document), spelled(operations)
    try:
        made = patched(document, operations)
    except Refused:
        made = document
    assert spelled(loads(dumps(made))) == spelled(made)
    assert (spelled(document), spelled(operations)) == before
