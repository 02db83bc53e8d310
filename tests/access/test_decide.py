"""Who may do what with which type, and to whose resources it is limited; what no rule opens is closed."""

import pytest

from fhirplan.access.actor import ANYBODY, OPERATOR, Grant, of_grant
from fhirplan.access.decide import NEEDS, PUBLIC, Limit, decide, limits, patients
from fhirplan.access.scopes import LONGEST, MOST, parse
from fhirplan.errors import NotAuthenticated, NotPermitted

OWN_TAG = "http://fhirplan.dev/fhir/sid/client|app"


def actor(scopes, **more):
    return of_grant(Grant("app", parse(scopes), **more))


def may(who, kind, type_=""):
    try:
        decide(who, kind, type_, "smart")
    except NotPermitted:
        return False
    return True


@pytest.mark.parametrize("kind", ["read", "create", "bundle", "search-type", "validate", "explain"])
@pytest.mark.parametrize("who", [None, ANYBODY], ids=["nobody", "anybody"])
def test_smart_lets_nobody_do_anything_with_patients(who, kind):
    with pytest.raises(NotAuthenticated) as refused:
        decide(who, kind, "Goal", "smart")
    assert refused.value.issues[0].code == "login"


@pytest.mark.parametrize("kind", sorted(PUBLIC))
def test_anybody_may_read_what_the_server_can_do(kind):
    decide(None, kind, "", "smart")


def test_open_lets_everybody_do_everything():
    decide(ANYBODY, "delete", "Patient", "open")


def test_the_operator_may_load_whatever_the_setting():
    decide(OPERATOR, "bundle", "", "smart")
    assert limits(OPERATOR, "Goal", "d") == (Limit(),)
    assert patients(OPERATOR) is None
    assert patients(None) is None


@pytest.mark.parametrize(("kind", "letters"), sorted(NEEDS.items()))
def test_an_interaction_takes_all_letters_that_it_needs_and_no_others(kind, letters):
    assert may(actor(f"system/Goal.{''.join(sorted(letters, key='cruds'.index))}"), kind, "Goal")
    for letter in letters:
        others = "".join(item for item in "cruds" if item != letter)
        # Where no type is named the scopes say which types are meant; here one is.
        assert not may(actor(f"system/Goal.{others}"), kind, "Goal"), letter
    assert not may(actor("system/Task.cruds"), kind, "Goal")


@pytest.mark.parametrize("kind", ["history-system", "search-system", "search-compartment"])
def test_over_several_types_any_type_that_may_be_searched_opens_it(kind):
    assert may(actor("system/Task.s system/Goal.r"), kind)
    assert not may(actor("system/Task.crud system/Goal.r"), kind)


def test_without_a_type_a_single_one_is_not_meant():
    assert not may(actor("system/Task.s"), "search-type")


@pytest.mark.parametrize("kind", ["bundle", "apply", "extract"])
def test_what_decides_on_each_of_its_parts_takes_any_scope_of_a_resource(kind):
    assert may(actor("patient/Goal.r", patient="p"), kind)
    assert not may(actor("openid fhirUser launch/patient"), kind)


@pytest.mark.parametrize(("scope", "allowed"), [("c", True), ("r", True), ("u", True), ("d", False), ("s", False)])
def test_validating_takes_a_right_to_see_or_to_write_the_type(scope, allowed):
    assert may(actor(f"system/Goal.{scope}"), "validate", "Goal") is allowed


@pytest.mark.parametrize("kind", ["explain", "access-explain"])
def test_administrators_are_told_and_no_scope_opens_it(kind):
    assert may(actor("system/Goal.r", administrator=True), kind, "Goal")
    assert not may(actor("system/*.cruds"), kind, "Goal")


def test_what_is_not_listed_is_denied_to_every_token():
    assert not may(actor("system/*.cruds", administrator=True), "purge", "Goal")


@pytest.mark.parametrize(
    ("scopes", "more", "expected"),
    [
        ("system/Goal.r", {"patient": "p"}, (Limit(),)),
        ("system/*.r", {}, (Limit(),)),
        ("patient/Goal.r", {"patient": "p"}, (Limit("p"),)),
        ("patient/Goal.r", {}, ()),
        ("user/Goal.r", {"user": "Practitioner/n"}, (Limit(),)),
        ("user/Goal.r", {"user": "PractitionerRole/n"}, (Limit(),)),
        ("user/Goal.r", {"user": "Patient/p", "user_patient": "p"}, (Limit("p"),)),
        # Whoever has no record of their own and is no professional has nothing: a related person of nobody, a device.
        ("user/Goal.r", {"user": "RelatedPerson/r"}, ()),
        ("user/Goal.r", {"user": "Device/d", "patient": "p"}, ()),
        ("user/Goal.r", {}, ()),
        ("patient/Goal.r user/Goal.r", {"patient": "p", "user": "Practitioner/n"}, (Limit(),)),
        ("patient/Goal.r?category=a patient/Goal.r?category=b", {"patient": "p"},
         (Limit("p", (("category", "a"),)), Limit("p", (("category", "b"),)))),
        ("patient/Goal.r?category=a system/Goal.s", {"patient": "p"}, (Limit("p", (("category", "a"),)),)),
        ("system/Goal.cuds", {}, ()),
        ("system/Goal.x", {}, ()),
    ],
)  # fmt: skip
def test_each_scope_is_limited_by_its_own_level_and_conditions(scopes, more, expected):
    assert limits(actor(scopes, **more), "Goal", "r") == expected


def test_a_client_has_of_its_own_types_only_what_it_made():
    assert limits(actor("system/*.r"), "Subscription", "r") == (Limit("", (("_tag", OWN_TAG),)),)


def test_who_reads_what_takes_a_scope_of_that_name():
    assert limits(actor("system/*.s"), "AuditEvent", "s") == ()
    assert limits(actor("system/AuditEvent.s"), "AuditEvent", "s") == (Limit(),)


@pytest.mark.parametrize(
    ("scopes", "more", "expected"),
    [
        ("patient/*.r patient/Goal.s", {"patient": "p"}, {"p"}),
        ("patient/*.r user/Goal.s", {"patient": "p", "user": "Patient/q", "user_patient": "q"}, {"p", "q"}),
        ("patient/*.r system/Goal.s", {"patient": "p"}, None),
        ("patient/*.r", {}, set()),
    ],
)
def test_whose_records_a_token_is_held_to(scopes, more, expected):
    assert patients(actor(scopes, **more)) == expected


@pytest.mark.parametrize(
    ("scopes", "more", "lacks", "said"),
    [
        ("system/Task.r", {}, "system/Goal.r", "The token has no scope for it. Ask for system/Goal.r."),
        ("user/Task.r", {"user": "Practitioner/n"}, "user/Goal.r", "Ask for user/Goal.r."),
        ("patient/Goal.r", {}, "patient/Goal.r", "names no patient"),
        ("patient/Goal.r", {"stranger": True}, "patient/Goal.r", "is not known here, or not yet"),
        ("user/Goal.r", {}, "user/Goal.r", "no person who is known here"),
    ],
)
def test_a_refusal_says_what_is_missing(scopes, more, lacks, said):
    with pytest.raises(NotPermitted) as refused:
        decide(actor(scopes, **more), "read", "Goal", "smart")
    assert said in refused.value.issues[0].text
    assert refused.value.scope == lacks


def test_a_text_of_too_many_scopes_grants_nothing_and_one_fewer_does():
    names = [f"launch/a{'b' * (i % 60)}{'c' * (i // 60)}" for i in range(MOST - 1)]
    most = " ".join(["system/Goal.r", *names])
    assert len(most) <= LONGEST
    assert len(set(most.split())) == MOST
    assert parse(most).covering("Goal", "r")
    assert not parse(most + " launch/more").resources
