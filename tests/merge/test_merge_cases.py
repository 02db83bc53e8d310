"""merge/three_way: the cases that people meet, each by its claim."""

import copy
import importlib.util
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from fhirplan.errors import InvalidResource
from fhirplan.fhir import structure
from fhirplan.fhir.codec import dumps, loads
from fhirplan.merge.policy import Edited
from fhirplan.merge.resolve import apply
from fhirplan.merge.rules import R4, Identity
from fhirplan.merge.three_way import Clashing, Merged, merge

_spec = importlib.util.spec_from_file_location("merge_resources", Path(__file__).with_name("resources.py"))
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
concept = made.concept
DUE_BASIS = "http://fhirplan.dev/fhir/StructureDefinition/cm-due-basis"


def goal(**members):
    return {"resourceType": "Goal", "id": "g", **members}


def edited(resource, change):
    copied = copy.deepcopy(resource)
    change(copied)
    return copied


def the_clash(outcome):
    assert isinstance(outcome, Clashing)
    (found,) = outcome.clashes
    return found


def test_both_sides_edits_of_different_fields_stand_together():
    base = made.task()
    local = edited(base, lambda t: t.update(status="in-progress"))
    remote = edited(base, lambda t: t["restriction"]["period"].update(end="2026-03-16"))
    outcome = merge(base, local, remote)
    assert outcome.resource["status"] == "in-progress"
    assert outcome.resource["restriction"]["period"] == {"start": "2026-03-09", "end": "2026-03-16"}
    assert outcome.taken == ("Task.restriction",)


def test_a_field_changed_on_both_sides_is_left_out_and_told():
    base = made.task()
    local = edited(base, lambda t: t["restriction"]["period"].update(end="2026-03-12"))
    remote = edited(base, lambda t: t["restriction"]["period"].update(end="2026-03-16"))
    outcome = merge(base, local, remote)
    clash = the_clash(outcome)
    assert (clash.path, clash.element) == ("Task.restriction.period.end", "Task.restriction.period.end")
    assert (clash.base, clash.local, clash.remote) == ("2026-03-10", "2026-03-12", "2026-03-16")
    assert outcome.resource["restriction"]["period"] == {"start": "2026-03-09"}


def test_what_a_server_owns_stays_as_ours():
    base = goal(lifecycleStatus="active")
    local = goal(meta={"versionId": "4", "source": "here", "tag": [{"code": "a"}]}, lifecycleStatus="active")
    remote = goal(meta={"versionId": "9", "source": "there", "lastUpdated": "x"}, lifecycleStatus="completed")
    outcome = merge(base, local, {**remote, "id": "theirs"})
    assert outcome.resource == {**local, "lifecycleStatus": "completed"}
    assert list(outcome.resource)[:3] == ["resourceType", "id", "meta"]


def test_tags_and_categories_merge_as_sets():
    base = goal(meta={"tag": [{"system": "s", "code": "a"}]}, category=[concept("x")])
    local = goal(meta={"tag": [{"system": "s", "code": "a"}, {"system": "s", "code": "b"}]}, category=[concept("y")])
    remote = goal(
        meta={"tag": [{"system": "s", "code": "b", "display": "B"}, {"system": "s", "code": "c"}]},
        category=[concept("x"), {**concept("y"), "text": "why"}],
    )
    outcome = merge(base, local, remote)
    assert outcome.resource["meta"]["tag"] == [
        {"system": "s", "code": "b", "display": "B"},
        {"system": "s", "code": "c"},
    ]
    assert outcome.resource["category"] == [{**concept("y"), "text": "why"}]


def test_two_forms_of_a_choice_never_stand_together():
    base = goal(startDate="2026-03-01")
    local = goal(startDate="2026-03-02")
    remote = goal(startCodeableConcept=concept("admission"))
    outcome = merge(base, local, remote)
    clash = the_clash(outcome)
    assert (clash.path, clash.grouped) == ("Goal.start", True)
    assert clash.remote == {"startCodeableConcept": concept("admission")}
    assert not outcome.resource.keys() & {"startDate", "startCodeableConcept"}
    theirs = apply(base, local, remote, {"Goal.start": "theirs"}).resource
    assert theirs == remote


def test_a_primitive_and_its_extension_are_one_unit():
    base = goal(startDate="2026-03-01")
    local = goal(startDate="2026-03-02")
    remote = goal(startDate="2026-03-01", _startDate={"extension": [{"url": "u", "valueCode": "day"}]})
    clash = the_clash(merge(base, local, remote))
    assert clash.remote == {"startDate": "2026-03-01", "_startDate": {"extension": [{"url": "u", "valueCode": "day"}]}}
    assert merge(base, base, remote).resource == remote


def test_items_of_a_primitive_list_keep_their_extensions():
    known = {"extension": [{"url": "u", "valueCode": "k"}]}
    base = {"resourceType": "Organization", "alias": ["A", "B"], "_alias": [None, known]}
    local = {"resourceType": "Organization", "alias": ["B"], "_alias": [known]}
    remote = {"resourceType": "Organization", "alias": ["A", "B", "C"], "_alias": [None, known, None]}
    assert merge(base, local, remote).resource == {
        "resourceType": "Organization",
        "alias": ["B", "C"],
        "_alias": [known, None],
    }


def test_a_quantity_is_never_mixed():
    def target(value, unit):
        return goal(target=[{"measure": concept("w"), "detailQuantity": {"value": value, "unit": unit}}])

    clash = the_clash(merge(target(70, "kg"), target(68, "kg"), target(154, "lb")))
    assert (clash.path, clash.kind) == ("Goal.target[0].detail", "number")
    assert clash.shown == ({"value": 154, "unit": "lb"}, {"value": 68, "unit": "kg"})


def test_a_status_and_its_reason_stand_or_fall_together():
    base = made.task()
    local = edited(base, lambda t: t.update(status="on-hold", statusReason=concept("no-answer")))
    remote = edited(base, lambda t: t.update(status="completed"))
    clash = the_clash(merge(base, local, remote))
    assert (clash.path, clash.kind, clash.shown) == ("Task.status", "status", ("completed", "on-hold"))
    theirs = apply(base, local, remote, {"Task.status": "theirs"}).resource
    assert theirs["statusReason"] == base["statusReason"]


@pytest.mark.parametrize(("one", "other"), [("1.5", "1.50"), ("1000", "1e3")])
def test_precision_is_a_change_and_only_a_clash_when_both_changed(one, other):
    def range_(text):
        prediction = f'{{"outcome": {{"text": "fall"}}, "probabilityDecimal": {text}}}'
        return loads(f'{{"resourceType": "RiskAssessment", "prediction": [{prediction}]}}')

    outcome = merge(range_(one), range_(one), range_(other))
    assert isinstance(outcome, Merged)
    assert dumps(outcome.resource) == dumps(range_(other))
    clash = the_clash(merge(range_("7"), range_(one), range_(other)))
    assert clash.path == "RiskAssessment.prediction[0].probability"
    assert isinstance(clash.local["probabilityDecimal"], Decimal | int)


def test_true_is_not_one():
    base, local = goal(x=1, strange=[1]), goal(x=1, strange=[1])
    outcome = merge(base, local, goal(x=True, strange=[True]))
    assert outcome.resource["x"] is True
    assert outcome.resource["strange"][0] is True


def test_removed_on_one_side_and_changed_on_the_other_is_a_clash_either_way():
    base = made.care_plan()
    without = edited(base, lambda p: p["activity"].pop(1))
    changed = edited(base, lambda p: p["activity"][1]["detail"].update(status="stopped"))
    clash = the_clash(merge(base, without, changed))
    assert (clash.path, clash.kind, clash.key) == ("%base.activity[1]", "removed", "conf.removed_here")
    clash = the_clash(merge(base, changed, without))
    assert (clash.path, clash.kind, clash.key) == ("CarePlan.activity[1]", "removed", "conf.removed")
    assert apply(base, without, changed, {"%base.activity[1]": "theirs"}).resource == changed
    assert apply(base, without, changed, {"%base.activity[1]": "ours"}).resource == without


def test_removed_beside_a_change_that_only_takes_away_is_removed():
    item = {"measure": concept("w"), "dueDate": "2026-04-01"}
    assert merge(goal(target=[item]), goal(), goal(target=[{"measure": concept("w")}])) == Merged(goal())
    base = made.task()
    local = edited(base, lambda t: t.pop("restriction"))
    remote = edited(base, lambda t: t["restriction"]["period"].pop("end"))
    assert merge(base, local, remote) == Merged(local)


def test_paths_are_in_locals_indexes():
    base = made.care_plan()
    local = edited(base, lambda p: p["activity"].insert(0, {"reference": {"reference": "Task/0"}}))
    local["activity"][3]["detail"]["status"] = "stopped"
    remote = edited(base, lambda p: p["activity"][2]["detail"].update(status="completed"))
    remote["activity"].reverse()
    assert the_clash(merge(base, local, remote)).path == "CarePlan.activity[3].detail.status"


def test_a_person_in_a_role_replaced_twice_is_asked_and_both_can_stay():
    base = made.care_team()
    local = edited(base, lambda t: t["participant"][0].update(member={"reference": "Practitioner/8"}))
    remote = edited(
        base, lambda t: t["participant"][0].update(member={"reference": "Practitioner/9", "display": "Dr O"})
    )
    clash = the_clash(merge(base, local, remote))
    assert (clash.path, clash.kind, clash.both) == ("CareTeam.participant[0]", "person", True)
    assert clash.shown == ({"reference": "Practitioner/9", "display": "Dr O"}, {"reference": "Practitioner/8"})
    both = apply(base, local, remote, {clash.path: "both"}).resource
    assert [p["member"]["reference"] for p in both["participant"]][:2] == ["Practitioner/8", "Practitioner/9"]


def test_another_person_in_a_role_is_never_given_the_old_ones_dates():
    base = made.care_team()
    local = edited(base, lambda t: t["participant"][0].update(member={"reference": "Practitioner/8"}))
    remote = edited(base, lambda t: t["participant"][0]["period"].update(end="2026-03-08"))
    assert the_clash(merge(base, local, remote)).path == "CareTeam.participant[0]"


def test_one_persons_two_fields_changed_apart_merge():
    base = made.care_team()
    local = edited(base, lambda t: t["participant"][0]["period"].update(end="2026-12-31"))
    remote = edited(base, lambda t: t["participant"][0].update(onBehalfOf={"reference": "Organization/1"}))
    assert merge(base, local, remote).resource["participant"][0] == {
        **base["participant"][0],
        "period": {"start": "2026-03-01", "end": "2026-12-31"},
        "onBehalfOf": {"reference": "Organization/1"},
    }


def test_notes_added_on_both_sides_are_all_kept_in_their_order():
    base = made.care_plan()
    local = edited(base, lambda p: p["note"].append({"text": "Ours"}))
    remote = edited(base, lambda p: p["note"].append({"text": "Theirs"}))
    assert [n["text"] for n in merge(base, local, remote).resource["note"]] == [
        "First note",
        "Second",
        "Ours",
        "Theirs",
    ]


def test_one_note_edited_on_both_sides_can_be_kept_twice():
    base = made.task()
    local = edited(base, lambda t: t["note"][0].update(text="Ours"))
    remote = edited(base, lambda t: t["note"][0].update(text="Theirs"))
    clash = the_clash(merge(base, local, remote))
    assert (clash.path, clash.key, clash.both) == ("Task.note[0]", "conf.text", True)
    kept = apply(base, local, remote, {"Task.note[0]": "both"}).resource["note"]
    assert [n["text"] for n in kept] == ["Ours", "Theirs"]


def test_a_kept_second_item_loses_an_element_id_that_the_first_has():
    base = goal(note=[{"id": "n", "text": "a"}])
    local, remote = goal(note=[{"id": "n", "text": "b"}]), goal(note=[{"id": "n", "text": "c"}])
    kept = apply(base, local, remote, {"Goal.note[0]": "both"}).resource["note"]
    assert kept == [{"id": "n", "text": "b"}, {"text": "c"}]


def test_the_same_thing_added_differently_is_one_question():
    base = edited(made.task(), lambda t: t.pop("output"))
    local, remote = copy.deepcopy(base), copy.deepcopy(base)
    local["output"] = [{"type": concept("outcome"), "valueCodeableConcept": {"text": "No answer"}}]
    remote["output"] = [{"type": concept("outcome"), "valueCodeableConcept": {"text": "Reached"}}]
    clash = the_clash(merge(base, local, remote))
    assert (clash.path, clash.key, clash.both) == ("Task.output[0]", "conf.added", True)
    assert clash.shown == ({"text": "Reached"}, {"text": "No answer"})


def test_a_name_that_a_list_already_has_twice_asks_nothing():
    def outputs(*texts):
        return {"resourceType": "Task", "output": [{"type": concept("outcome"), "valueString": text} for text in texts]}

    assert merge(outputs("x"), outputs("x", "y"), outputs("x", "z")).resource == outputs("x", "y", "z")


def test_an_extension_is_known_by_its_url_and_repeats_only_where_it_may():
    base = made.task()
    local, remote = copy.deepcopy(base), copy.deepcopy(base)
    blocked = made.BASE + "cm-blocked-by"
    local["extension"] = [
        {"url": DUE_BASIS, "valueCode": "x"},
        {"url": blocked, "valueReference": {"reference": "T/1"}},
    ]
    remote["extension"] = [
        {"url": DUE_BASIS, "valueCode": "y"},
        {"url": blocked, "valueReference": {"reference": "T/2"}},
    ]
    outcome = merge(base, local, remote)
    clash = the_clash(outcome)
    assert (clash.path, clash.element) == ("Task.extension[0]", "Task.extension:cm-due-basis")
    assert clash.labels == ("field.Task.extension:cm-due-basis", "field.cm-due-basis")
    assert [e["valueReference"]["reference"] for e in outcome.resource["extension"]] == ["T/1", "T/2"]


def test_only_a_display_is_nothing_to_ask_about():
    base, local, remote = made.task(), made.task(), made.task()
    local["owner"]["display"], remote["owner"]["display"] = "Ann B.", "Ann Brown RN"
    assert merge(base, local, remote).resource["owner"]["display"] == "Ann Brown RN"
    remote["owner"] = {"reference": "Practitioner/2", "display": "Ann B."}
    assert the_clash(merge(base, local, remote)).kind == "person"


def test_contained_resources_are_merged_by_their_id_and_their_own_rules():
    base = goal(contained=[{"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-01-01"}])
    local = edited(base, lambda g: g["contained"][0].update(gender="other"))
    remote = edited(base, lambda g: g["contained"][0].update(birthDate="1950-01-02"))
    assert merge(base, local, remote).resource["contained"][0]["birthDate"] == "1950-01-02"
    assert merge(base, local, remote).resource["contained"][0]["gender"] == "other"
    remote["contained"][0] = {"resourceType": "Group", "id": "p", "gender": "x"}
    assert the_clash(merge(base, local, remote)).both is False


def test_questionnaire_answers_are_merged_by_link_id_at_any_depth():
    def response(one, two):
        answers = [
            {"linkId": "1.1", "answer": [{"valueString": one}]},
            {"linkId": "1.2", "answer": [{"valueString": two}]},
        ]
        return {"resourceType": "QuestionnaireResponse", "item": [{"linkId": "1", "item": answers}]}

    assert merge(response("a", "b"), response("x", "b"), response("a", "y")).resource == response("x", "y")
    clash = the_clash(merge(response("a", "b"), response("x", "b"), response("y", "b")))
    assert clash.path == "QuestionnaireResponse.item[0].item[0].answer[0]"
    assert clash.shown == ("y", "x")


def test_two_copies_that_never_agreed_keep_what_either_has():
    local = goal(lifecycleStatus="active", note=[{"text": "a"}])
    remote = goal(lifecycleStatus="active", note=[{"text": "b"}], startDate="2026-03-01")
    assert merge(None, local, remote).resource == goal(
        lifecycleStatus="active", note=[{"text": "a"}, {"text": "b"}], startDate="2026-03-01"
    )


def narrative(words, status="generated"):
    return {"status": status, "div": f"<div>{words}</div>"}


def test_the_narrative_is_the_changed_sides_or_made_again():
    base = goal(text=narrative("old"), startDate="1")
    remote = goal(text=narrative("new"), startDate="2")
    alone = merge(base, base, remote)
    assert (alone.resource["text"], alone.regenerate) == (narrative("new"), False)
    local = goal(text=narrative("old"), startDate="1", statusDate="3")
    mixed = merge(base, local, remote)
    assert (mixed.resource["text"], mixed.regenerate) == (narrative("new"), True)
    mine = goal(text=narrative("mine"), startDate="1", statusDate="3")
    mirrored = merge(base, mine, goal(text=narrative("old"), startDate="2"))
    assert (mirrored.resource["text"], mirrored.regenerate) == (narrative("mine"), True)
    both = merge(base, goal(text=narrative("mine"), startDate="1"), remote)
    assert ("text" in both.resource, both.regenerate) == (False, True)
    only = merge(goal(text=narrative("a")), goal(text=narrative("b")), goal(text=narrative("c")))
    assert only == Merged(goal(), regenerate=True)


def test_a_narrative_with_more_than_the_fields_is_never_dropped():
    base = goal(text=narrative("old", "additional"))
    clash = the_clash(merge(base, goal(text=narrative("a")), goal(text=narrative("b", "additional"))))
    assert (clash.path, clash.kind) == ("Goal.text", "text")


def test_an_edited_value_stands_where_it_was_given():
    base = goal(target=[{"measure": concept("w"), "dueDate": "2026-04-01"}])
    local = goal(target=[{"measure": concept("w"), "dueDate": "2026-04-02"}])
    remote = goal(target=[{"measure": concept("w"), "dueDate": "2026-04-03"}])
    path = "Goal.target[0].due"
    assert apply(base, local, remote, {path: Edited({"dueDate": "2026-04-09"})}).resource["target"][0]["dueDate"] == (
        "2026-04-09"
    )
    assert apply(base, local, remote, {path: Edited(None)}).resource["target"] == [{"measure": concept("w")}]
    refusals = {"dueDate, dueDuration": Edited("2026-04-09"), "one value only": "both"}
    for words, choice in refusals.items():
        with pytest.raises(InvalidResource) as refused:
            apply(base, local, remote, {path: choice})
        assert words in refused.value.text
        assert refused.value.issues[0].expression == path


def test_a_choice_for_what_no_longer_clashes_is_refused():
    with pytest.raises(InvalidResource) as refused:
        apply(goal(), goal(), goal(startDate="2026-03-01"), {"Goal.start": "ours"})
    assert "Goal.start is not in conflict" in refused.value.text


def test_resources_of_different_types_are_refused():
    with pytest.raises(InvalidResource):
        merge(None, goal(), made.task())


def test_rules_can_be_widened_for_one_element():
    base = {"resourceType": "Basic", "strange": 1}
    named = {**R4.identities, "Task.input": Identity(names=(("id",),))}
    rules = replace(R4, whole=R4.whole | {"Task.restriction"}, identities=named)
    one, other = made.task(), made.task()
    one["restriction"]["period"]["end"], other["restriction"]["period"]["start"] = "2026-03-12", "2026-03-08"
    assert isinstance(merge(made.task(), one, other), Merged)
    assert the_clash(merge(made.task(), one, other, rules)).path == "Task.restriction"
    assert merge(base, base, {**base, "strange": 2}, rules).resource["strange"] == 2


def _ends(element, path):
    """Whether a path inside an item of a list leads to an element of R4."""
    type_, _, below = element.partition(".")
    at = (type_, structure.definition(type_).element(below).content or below) if below else (type_, "")
    for step in path.split(".") if path else ():
        children = {e.path.rpartition(".")[2]: e for e in structure.definition(at[0]).children.get(at[1], ())}
        if step not in children:
            return False
        datatype = children[step].types[0].code if children[step].types else ""
        at = (at[0], children[step].path) if datatype in ("BackboneElement", "Element") else (datatype, "")
    return True


@pytest.mark.parametrize("element", sorted(R4.identities))
def test_the_rules_name_elements_that_r4_has(element):
    identity = R4.identities[element]
    if element in ("BackboneElement", "Element"):
        return
    if "." in element:
        assert structure.definition(element.partition(".")[0]).element(element.partition(".")[2]).most == -1
    paths = [p for group in (*identity.names, *identity.likely, *identity.added, identity.shown) for p in group]
    assert [p for p in paths if not _ends(element, p)] == []


def test_the_other_rules_name_elements_that_r4_has_too():
    for element in R4.sets:
        assert structure.definition(element.partition(".")[0]).element(element.partition(".")[2]).most == -1
    for element, groups in R4.bound.items():
        assert all(_ends(f"{element}", p) for group in groups for p in group), element
    assert all(structure.kind(name) == "complex-type" for name in R4.whole)
