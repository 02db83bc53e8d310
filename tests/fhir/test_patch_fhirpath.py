"""fhir/patch: FHIRPath Patch, its five operations and our test, on elements of every kind."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.errors import InvalidResource, MalformedRequest, Refused, TooCostly
from fhirplan.fhir.codec import dumps, loads
from fhirplan.fhir.patch import FailedTest, fhirpath_patch
from fhirplan.fhir.xml import from_xml, to_xml

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [
        {"use": "usual", "value": "1"},
        {"use": "official", "value": "2", "assigner": {"display": "Clinic"}},
        {"use": "old", "value": "3"},
    ],
    "name": [{"use": "official", "given": ["Ana", "Rosa"], "_given": [None, {"id": "second"}]}, {"text": "Ani"}],
    "birthDate": "1950-01-01",
    "_birthDate": {"extension": [{"url": "http://x.example/time", "valueTime": "10:00:00"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "Leo"}, "gender": "male"}],
    "_gender": {"extension": [{"url": "http://x.example/why", "valueCode": "unknown"}]},
}
OBSERVATION = loads(
    """{"resourceType":"Observation","status":"final","code":{"text":"x"},
    "valueQuantity":{"value":1.50,"unit":"kg"},"component":[{"code":{"text":"c"},"valueString":"s"}]}"""
)


def operation(kind, path, **parts):
    """One parameter; value is given as ("valueCode", "x"), or as a list of parts."""
    listed = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, said in parts.items():
        if name == "value":
            listed.append({"name": "value", **(said if isinstance(said, dict) else {said[0]: said[1]})})
        else:
            listed.append({"name": name, "valueString" if isinstance(said, str) else "valueInteger": said})
    return {"name": "operation", "part": listed}


def patch(resource, *operations):
    before = copy.deepcopy(resource)
    try:
        return fhirpath_patch(resource, {"resourceType": "Parameters", "parameter": list(operations)})
    finally:
        assert resource == before


def without(resource, *names):
    return {key: value for key, value in resource.items() if key not in names}


def test_no_operation_changes_nothing():
    assert fhirpath_patch(PATIENT, {"resourceType": "Parameters"}) == PATIENT


# add


def test_add_sets_what_is_not_there_and_appends_to_a_list():
    made = patch(
        PATIENT,
        operation("add", "Patient", name="active", value=("valueBoolean", True)),
        operation("add", "Patient", name="identifier", value=("valueIdentifier", {"value": "4"})),
        operation("add", "Patient.contact[0]", name="period", value=("valuePeriod", {"start": "2026"})),
        operation("add", "contact.first().period", name="end", value=("valueDate", "2027")),
        operation("add", "Patient.name[1]", name="given", value=("valueString", "Ani")),
    )
    assert made["active"] is True
    assert made["identifier"][3] == {"value": "4"}
    assert made["contact"][0]["period"] == {"start": "2026", "end": "2027"}
    assert made["name"][1]["given"] == ["Ani"]


def test_add_keeps_values_and_their_extensions_side_by_side():
    made = patch(
        PATIENT,
        operation("add", "Patient.name[0]", name="given", value={"valueString": "Mia", "_valueString": {"id": "3"}}),
        operation("add", "Patient.name[1]", name="given", value=("valueString", "Ani")),
        operation("add", "Patient.name[1]", name="given", value=("_valueString", {"id": "only"})),
    )
    assert made["name"][0]["given"] == ["Ana", "Rosa", "Mia"]
    assert made["name"][0]["_given"] == [None, {"id": "second"}, {"id": "3"}]
    assert made["name"][1] == {"text": "Ani", "given": ["Ani", None], "_given": [None, {"id": "only"}]}


def test_add_puts_an_extension_on_a_primitive_that_had_none():
    extension = {"url": "http://x.example/e", "valueString": "y"}
    made = patch(
        PATIENT,
        operation("add", "Patient.contact.gender", name="id", value=("valueString", "g")),
        operation(
            "add",
            "Patient.name[0].given[0]",
            name="extension",
            value={"part": [{"name": "url", "valueUri": extension["url"]}, {"name": "value", "valueString": "y"}]},
        ),
    )
    assert made["contact"][0] == {**PATIENT["contact"][0], "_gender": {"id": "g"}}
    assert made["name"][0]["_given"] == [{"extension": [extension]}, {"id": "second"}]


def test_add_names_a_choice_with_and_without_its_type():
    bare = without(OBSERVATION, "valueQuantity")
    for name in ("value", "valueQuantity"):
        made = patch(bare, operation("add", "Observation", name=name, value=("valueQuantity", {"value": 2})))
        assert made == {**bare, "valueQuantity": {"value": 2}}


def test_add_builds_an_element_without_a_type_of_its_own_from_parts():
    parts = [
        {"name": "name", "valueHumanName": {"text": "Mia"}},
        {"name": "telecom", "valueContactPoint": {"value": "1"}},
        {"name": "telecom", "valueContactPoint": {"value": "2"}},
        {"name": "gender", "valueCode": "female", "_valueCode": {"id": "g"}},
    ]
    made = patch(PATIENT, operation("add", "Patient", name="contact", value={"part": parts}))
    assert made["contact"][1] == {
        "name": {"text": "Mia"},
        "telecom": [{"value": "1"}, {"value": "2"}],
        "gender": "female",
        "_gender": {"id": "g"},
    }


def test_parts_go_as_deep_as_the_element_and_choose_types():
    plan = {"resourceType": "CarePlan", "id": "c", "status": "draft"}
    detail = [
        {"name": "status", "valueCode": "not-started"},
        {"name": "scheduled", "valuePeriod": {"start": "2026-04-01"}},
        {"name": "code", "part": [{"name": "text", "valueString": "Home visit"}]},
    ]
    value = {"part": [{"name": "detail", "part": detail}]}
    made = patch(plan, operation("add", "CarePlan", name="activity", value=value))
    assert made["activity"] == [
        {
            "detail": {
                "status": "not-started",
                "scheduledPeriod": {"start": "2026-04-01"},
                "code": {"text": "Home visit"},
            }
        }
    ]


def test_add_takes_a_contained_resource():
    goal = {"resourceType": "Goal", "id": "g"}
    made = patch(PATIENT, operation("add", "Patient", name="contained", value=("resource", goal)))
    assert made["contained"] == [goal]
    made = patch(
        made, operation("add", "Patient.contained.where(id = 'g')", name="language", value=("valueCode", "en"))
    )
    assert made["contained"] == [{**goal, "language": "en"}]


# insert, delete, replace, move


@pytest.mark.parametrize(("index", "order"), [(0, "9123"), (1, "1923"), (3, "1239")])
def test_insert_puts_an_item_at_its_index(index, order):
    made = patch(
        PATIENT, operation("insert", "Patient.identifier", index=index, value=("valueIdentifier", {"value": "9"}))
    )
    assert "".join(item["value"] for item in made["identifier"]) == order


def test_insert_may_start_a_list_and_keeps_extensions_beside_their_values():
    made = patch(
        PATIENT,
        operation("insert", "Patient.address", index=0, value=("valueAddress", {"city": "X"})),
        operation("insert", "Patient.name[0].given", index=1, value=("valueString", "Mia")),
    )
    assert made["address"] == [{"city": "X"}]
    assert made["name"][0]["given"] == ["Ana", "Mia", "Rosa"]
    assert made["name"][0]["_given"] == [None, None, {"id": "second"}]


def test_delete_removes_an_element_with_its_extensions():
    made = patch(PATIENT, operation("delete", "Patient.birthDate"), operation("delete", "Patient.deceased"))
    assert made == without(PATIENT, "birthDate", "_birthDate", "deceasedBoolean")
    made = patch(PATIENT, operation("delete", "Patient.name[0].given[1]"))
    assert made["name"][0] == {"use": "official", "given": ["Ana"]}
    made = patch(PATIENT, operation("delete", "Patient.name[0].given[0]"))
    assert made["name"][0] == {"use": "official", "given": ["Rosa"], "_given": [{"id": "second"}]}
    assert patch(PATIENT, operation("delete", "Patient.gender")) == without(PATIENT, "_gender")


def test_delete_of_nothing_is_no_error():
    assert patch(PATIENT, operation("delete", "Patient.maritalStatus")) == PATIENT
    assert patch(PATIENT, operation("delete", "Patient.identifier.where(use = 'temp')")) == PATIENT
    assert patch(PATIENT, operation("delete", "Patient.identifier[9]")) == PATIENT


def test_what_loses_its_last_content_goes_too():
    made = patch(
        PATIENT, operation("delete", "Patient.contact.gender"), operation("delete", "Patient.contact.name.text")
    )
    assert made == without(PATIENT, "contact")
    made = patch(PATIENT, operation("delete", "Patient.birthDate.extension('http://x.example/time')"))
    assert made == without(PATIENT, "_birthDate")
    made = patch(PATIENT, operation("delete", "Patient.gender.extension[0]"))
    assert made == without(PATIENT, "_gender")
    made = patch(PATIENT, operation("delete", "Patient.name[0].given[1].id"))
    assert made["name"][0] == {"use": "official", "given": ["Ana", "Rosa"]}


def test_replace_puts_another_value_and_leaves_no_old_extension():
    made = patch(PATIENT, operation("replace", "Patient.birthDate", value=("valueDate", "1950-02-02")))
    assert made == {**without(PATIENT, "_birthDate"), "birthDate": "1950-02-02"}
    made = patch(PATIENT, operation("replace", "Patient.name[0].given[1]", value=("valueString", "Mia")))
    assert made["name"][0] == {"use": "official", "given": ["Ana", "Mia"]}
    made = patch(PATIENT, operation("replace", "Patient.gender", value=("valueCode", "female")))
    assert made == {**without(PATIENT, "_gender"), "gender": "female"}


def test_replace_may_change_the_type_of_a_choice():
    made = patch(OBSERVATION, operation("replace", "Observation.value", value=("valueString", "much")))
    assert made == {**without(OBSERVATION, "valueQuantity"), "valueString": "much"}
    made = patch(
        OBSERVATION, operation("replace", "Observation.value.ofType(Quantity).unit", value=("valueString", "g"))
    )
    assert dumps(made["valueQuantity"]) == b'{"value":1.50,"unit":"g"}'


def test_replace_takes_a_narrative_as_a_string():
    goal = {"resourceType": "Goal", "id": "g", "text": {"status": "generated", "div": "<div>a</div>"}}
    made = patch(goal, operation("replace", "Goal.text.div", value=("valueString", "<div>b</div>")))
    assert made["text"]["div"] == "<div>b</div>"


@pytest.mark.parametrize(
    ("source", "destination", "order"), [(2, 0, "312"), (2, 1, "132"), (0, 2, "231"), (1, 1, "123"), (0, 1, "213")]
)
def test_move_takes_an_item_out_and_puts_it_at_its_new_index(source, destination, order):
    made = patch(PATIENT, operation("move", "Patient.identifier", source=source, destination=destination))
    assert "".join(item["value"] for item in made["identifier"]) == order


def test_move_takes_the_extensions_of_a_primitive_along():
    made = patch(PATIENT, operation("move", "Patient.name[0].given", source=1, destination=0))
    assert made["name"][0]["given"] == ["Rosa", "Ana"]
    assert made["name"][0]["_given"] == [{"id": "second"}, None]


def test_operations_build_on_each_other():
    made = patch(
        PATIENT,
        operation("delete", "Patient.identifier[0]"),
        operation("replace", "Patient.identifier[0].value", value=("valueString", "22")),
        operation("add", "Patient.identifier[0].assigner", name="reference", value=("valueString", "Organization/o")),
    )
    assert made["identifier"][0]["assigner"] == {"display": "Clinic", "reference": "Organization/o"}
    assert [item["value"] for item in made["identifier"]] == ["22", "3"]


# test


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Patient.birthDate", ("valueDate", "1950-01-01")),
        ("Patient.identifier[1].assigner", ("valueReference", {"display": "Clinic"})),
        ("Patient.deceased", ("valueBoolean", False)),
        ("Patient.name[0].given[1]", {"valueString": "Rosa", "_valueString": {"id": "second"}}),
        (
            "Patient.contact",
            {"part": [{"name": "gender", "valueCode": "male"}, {"name": "name", "valueHumanName": {"text": "Leo"}}]},
        ),
    ],
)
def test_a_test_that_holds_lets_the_patch_go_on(path, value):
    made = patch(PATIENT, operation("test", path, value=value), operation("delete", "Patient.contact"))
    assert made == without(PATIENT, "contact")


def test_a_test_compares_numbers_by_value():
    quantity = loads('{"unit":"kg","value":1.5}')
    assert patch(OBSERVATION, operation("test", "Observation.value", value=("valueQuantity", quantity))) == OBSERVATION


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("Patient.birthDate", ("valueDate", "1950"), FailedTest),
        ("Patient.deceased", ("valueDateTime", "2020"), FailedTest),
        ("Patient.name[0].given[0]", {"valueString": "Ana", "_valueString": {"id": "x"}}, FailedTest),
        ("Patient.identifier[0]", ("valueIdentifier", {"use": "usual"}), FailedTest),
        ("Patient.maritalStatus", ("valueCodeableConcept", {"text": "x"}), InvalidResource),
    ],
)
def test_a_test_that_fails_stops_the_whole_patch(path, value, error):
    with pytest.raises(error) as caught:
        patch(PATIENT, operation("delete", "Patient.contact"), operation("test", path, value=value))
    assert caught.value.issues[0].text.startswith(f"Operation 1 of the patch (test {path}):")
    assert "1950" not in caught.value.text


# paths


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("Patient.identifier.where(use = 'official').value", "13"),
        ("Patient.identifier.where('official' = use).value", "13"),
        ("Patient.identifier.where(use = 'old' and value = '3').value", "12"),
        ("Patient.identifier.where(use = 'x' or value = '1').value", "23"),
        ("Patient.identifier.where((use = 'usual').not() and use != 'old').value", "13"),
        ("Patient.identifier.where(assigner.display = 'Clinic').value", "13"),
        ("Patient.identifier.where(assigner.exists()).value", "13"),
        ("Patient.identifier.where(use = 'official').single().value", "13"),
        ("Patient.identifier.last().value", "12"),
        ("Patient.identifier.first().value", "23"),
        ("identifier[1].value", "13"),
        ("Resource.identifier[1].value", "13"),
        ("Patient.`identifier`[1].value", "13"),
    ],
)
def test_a_path_finds_its_element(path, values):
    made = patch(PATIENT, operation("delete", path))
    assert "".join(item.get("value", "") for item in made["identifier"]) == values


def test_conditions_compare_with_every_kind_of_literal():
    path = "Observation.component.where(value = 'yes').code.text"
    for key, value, literal in (
        ("valueString", "a'b", r"'a\'b'"),
        ("valueInteger", 3, "3"),
        ("valueInteger", -3, "-3"),
        ("valueBoolean", True, "true"),
        ("valueDateTime", "2026-03-01", "@2026-03-01"),
    ):
        resource = {**OBSERVATION, "component": [{"code": {"text": "c"}, key: value}]}
        made = patch(resource, operation("delete", path.replace("'yes'", literal)))
        assert made["component"] == [{key: value}]
    given = patch(PATIENT, operation("delete", "Patient.name.given.where($this = 'Rosa')"))["name"][0]
    assert given == {"use": "official", "given": ["Ana"]}


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("Patient.name", InvalidResource),  # two of them
        ("Patient.identifier.value", InvalidResource),
        ("Patient.identifier.single().value", InvalidResource),
        ("Patient.maritalStatus", InvalidResource),
        ("Patient.identifier[7]", InvalidResource),
        ("Patient.nickname", InvalidResource),
        ("Practitioner.name", InvalidResource),
        ("Patient", InvalidResource),
        ("Patient.deceasedBoolean", MalformedRequest),
        ("Patient.name.given.count()", MalformedRequest),
        ("Patient.identifier.where(value.startsWith('1'))", MalformedRequest),
        ("Patient.identifier.where(value = use)", MalformedRequest),
        ("Patient.identifier.where(value > '1')", MalformedRequest),
        ("Patient.identifier.where(period.start = @2026-01-01T10:00:00Z)", MalformedRequest),
        ("Patient.identifier.where()", MalformedRequest),
        ("Patient.identifier[use]", MalformedRequest),
        ("Patient.identifier | Patient.name", MalformedRequest),
        ("'text'", MalformedRequest),
        ("%resource.name", MalformedRequest),
        ("Patient.extension(url)", MalformedRequest),
        ("Patient..name", MalformedRequest),
        ("Patient.name[", MalformedRequest),
        ("Patient." + "extension." * 300 + "url", TooCostly),
        ("Patient.name.where(" * 70 + ")" * 70, MalformedRequest),
        ("Patient.identifier.where(" + "use='a' or " * 170 + "use='official').use", None),
        ("Patient" + ".extension" * 190, InvalidResource),
    ],
)
def test_a_path_that_names_no_single_element_is_refused(path, error):
    if error is None:
        assert "use" not in patch(PATIENT, operation("replace", path, value=("valueCode", "old")))
        return
    with pytest.raises(error) as caught:
        patch(PATIENT, operation("replace", path, value=("valueString", "x")))
    assert caught.value.issues[0].text.startswith("Operation 0 of the patch (replace ")
    assert caught.value.issues[0].text.endswith((".", "?"))


# what is refused


NINE = ("valueIdentifier", {"value": "9"})
STRANGE = {"part": [{"name": "x", "valueDate": "1"}]}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (operation("add", "Patient", name="birthDate", value=("valueDate", "1950")), InvalidResource),
        (operation("add", "Patient", name="deceased", value=("valueDateTime", "1950")), InvalidResource),
        (operation("add", "Patient", name="nickname", value=("valueString", "x")), InvalidResource),
        (operation("add", "Patient", name="multipleBirth", value=("valueString", "x")), InvalidResource),
        (operation("add", "Patient", name="multipleBirthInteger", value=("valueString", "x")), InvalidResource),
        (operation("add", "Patient", name="active", value=("valueInteger", 1)), InvalidResource),
        (operation("add", "Patient", name="active", value=("valueCoding", {"code": "x"})), InvalidResource),
        (operation("add", "Patient", name="address", value=("valueString", "x")), InvalidResource),
        (operation("add", "Patient", name="address", value=("valueIdentifier", {"value": "x"})), InvalidResource),
        (operation("add", "Patient", name="contact", value=("valueHumanName", {"text": "x"})), InvalidResource),
        (operation("add", "Patient", name="contact", value=("valueDosage", {"text": "x"})), InvalidResource),
        (operation("add", "Patient", name="contained", value=("valueString", "x")), InvalidResource),
        (operation("add", "Patient", name="address", value=("resource", {"resourceType": "Goal"})), InvalidResource),
        (operation("add", "Patient", name="birthDate", value=STRANGE), InvalidResource),
        (operation("add", "Patient", name="contact", value=STRANGE), InvalidResource),
        (operation("add", "Patient", name="contact", value={"part": [{"name": "gender", "part": [
            {"name": "x", "valueCode": "y"}]}]}), MalformedRequest),
        (operation("add", "Patient", name="contact", value={"part": [{"name": "gender", "valueCode": "male"},
            {"name": "gender", "valueCode": "male"}]}), MalformedRequest),
        (operation("add", "Patient", name="contact", value={"part": []}), MalformedRequest),
        (operation("add", "Patient", name="active", value=("valueBoolean", None)), MalformedRequest),
        (operation("add", "Patient", name="active", value={}), MalformedRequest),
        (operation("add", "Patient", name="active", value={"valueBoolean": True, "valueCode": "x"}), MalformedRequest),
        (operation("add", "Patient", name="active", value=("valueTruth", True)), MalformedRequest),
        (operation("add", "Patient", name="address", value=("valueAddress", {})), MalformedRequest),
        (operation("add", "Patient", value=("valueBoolean", True)), MalformedRequest),
        (operation("add", "Patient", name="active"), MalformedRequest),
        (operation("add", "Patient.photo", name="title", value=("valueString", "x")), InvalidResource),
        (operation("insert", "Patient.identifier", index=4, value=NINE), InvalidResource),
        (operation("insert", "Patient.photo", index=1, value=("valueAttachment", {"title": "9"})), InvalidResource),
        (operation("insert", "Patient.birthDate", index=0, value=("valueDate", "1950")), InvalidResource),
        (operation("insert", "Patient.nickname", index=0, value=("valueDate", "1950")), InvalidResource),
        (operation("insert", "Patient.identifier[0]", index=0, value=("valueDate", "1950")), MalformedRequest),
        (operation("insert", "Patient.identifier", index=-1, value=NINE), MalformedRequest),
        (operation("insert", "Patient.identifier", value=NINE), MalformedRequest),
        (operation("move", "Patient.identifier", source=3, destination=0), InvalidResource),
        (operation("move", "Patient.identifier", source=0, destination=3), InvalidResource),
        (operation("move", "Patient.photo", source=0, destination=0), InvalidResource),
        (operation("move", "Patient.identifier", source=0), MalformedRequest),
        (operation("delete", "Patient.identifier"), InvalidResource),
        (operation("delete", "Patient"), InvalidResource),
        (operation("delete", "Patient.birthDate", name="x"), MalformedRequest),
        (operation("replace", "Patient.maritalStatus", value=("valueCodeableConcept", {"text": "x"})), InvalidResource),
        (operation("replace", "Patient.deceased", value={"part": [{"name": "x", "valueCode": "y"}]}), MalformedRequest),
        (operation("upsert", "Patient.birthDate", value=("valueDate", "1950")), MalformedRequest),
        ({"name": "operation"}, MalformedRequest),
        ({"name": "change", "part": []}, MalformedRequest),
        ({"name": "operation", "part": [{"valueCode": "add"}]}, MalformedRequest),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}] * 2}, MalformedRequest),
        ("operation", MalformedRequest),
    ],
)  # fmt: skip
def test_an_operation_that_does_not_fit_is_named_and_nothing_is_changed(said, error):
    with pytest.raises(error) as caught:
        patch(PATIENT, operation("delete", "Patient.contact.gender"), said)
    assert type(caught.value) is error
    assert caught.value.issues[0].text.startswith("Operation 1 of the patch (")
    assert caught.value.issues[0].text.endswith((".", "?"))


@pytest.mark.parametrize("kind", ["replace", "delete"])
def test_a_patch_cannot_make_it_another_resource(kind):
    value = {"value": ("valueId", "p2")} if kind == "replace" else {}
    with pytest.raises(InvalidResource):
        patch(PATIENT, operation(kind, "Patient.id", **value))


@pytest.mark.parametrize(
    "parameters", [{}, [], None, {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": {}}]
)
def test_what_is_no_parameters_resource_is_refused(parameters):
    with pytest.raises(MalformedRequest):
        fhirpath_patch(PATIENT, parameters)


def test_the_patch_is_bounded():
    with pytest.raises(TooCostly):
        patch(PATIENT, *[operation("delete", "Patient.photo")] * 1001)
    large = ("valueHumanName", {"text": "x" * 1_000_000})
    with pytest.raises(TooCostly):
        patch(PATIENT, *[operation("add", "Patient", name="name", value=large)] * 9)
    many = {**PATIENT, "identifier": [{"value": str(index)} for index in range(20_000)]}
    with pytest.raises(TooCostly):
        patch(many, *[operation("delete", "Patient.identifier.where(value = 'x')")] * 100)


def test_a_patch_that_came_as_xml_does_the_same():
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            operation("add", "Patient", name="contact", value={"part": [{"name": "gender", "valueCode": "male"}]}),
            operation("move", "Patient.identifier", source=0, destination=2),
        ],
    }
    assert fhirpath_patch(PATIENT, from_xml(to_xml(parameters))) == fhirpath_patch(PATIENT, parameters)


paths = st.sampled_from(
    ["Patient", "Patient.name[0]", "Patient.name[0].given", "Patient.name[0].given[1]", "Patient.birthDate",
     "Patient.contact", "Patient.contact.name", "Patient.contact.name.text", "Patient.identifier",
     "Patient.identifier.where(use = 'official')", "Patient.identifier.last().value", "Patient.gender",
     "Patient.gender.extension[0]", "Patient.deceased", "Patient.contact.gender", "Patient.name[0].given[1].id"]
)  # fmt: skip
given_values = st.sampled_from(
    [("valueString", "x"), ("valueBoolean", True), NINE, ("valueCode", "y"),
     ("_valueString", {"id": "i"}), ("valueHumanName", {"text": "n"}), ("valueDateTime", "2020")]
)  # fmt: skip
names = st.sampled_from(["given", "name", "identifier", "extension", "id", "active", "deceased", "gender", "value"])
counts = st.integers(0, 3)
any_operation = st.one_of(
    st.builds(lambda path, name, value: operation("add", path, name=name, value=value), paths, names, given_values),
    st.builds(
        lambda path, index, value: operation("insert", path, index=index, value=value), paths, counts, given_values
    ),
    st.builds(lambda path: operation("delete", path), paths),
    st.builds(lambda path, value: operation("replace", path, value=value), paths, given_values),
    st.builds(lambda path, one, two: operation("move", path, source=one, destination=two), paths, counts, counts),
)


@given(st.lists(any_operation, max_size=6))
@settings(max_examples=200)
def test_any_patch_leaves_a_resource_without_empty_elements_or_is_refused(operations):
    """What comes out can always be said in XML, which has no empty elements and no uneven arrays."""
    try:
        made = patch(PATIENT, *operations)
    except Refused:
        made = PATIENT
    assert from_xml(to_xml(made)) == made
