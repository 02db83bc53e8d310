"""Who may call, what a call must hold, how long it takes, and what is kept of it."""

import base64
import json
import uuid
from dataclasses import replace

import pytest
from joserfc.jwk import ECKey

from fhirplan.cds.answer import Cds, answer
from fhirplan.cds.call import parsed
from fhirplan.cds.services import SERVICES
from fhirplan.cds.trust import Caller
from fhirplan.store import audit, cds_feedback

CARD = str(uuid.UUID(int=1))


def test_discovery_names_each_service_with_its_hook(ehr):
    listed = ehr().client.get("/cds-services").json["services"]
    assert {item["hook"] for item in listed} == {"patient-view", "encounter-discharge", "order-sign"}
    assert all(item["id"] and item["description"] for item in listed)
    assert [item["prefetch"] for item in listed if "prefetch" in item] == [
        {"encounter": "Encounter/{{context.encounterId}}"}
    ]


def unsigned(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_call_that_the_ehr_signed_is_answered(ehr, alg):
    there = ehr()
    assert there.post("care-plan", there.body("care-plan"), there.token("care-plan", alg)).status_code == 200


@pytest.mark.parametrize(
    "made",
    [
        lambda ehr: "",
        lambda ehr: "nonsense",
        lambda ehr: unsigned(iss="https://ehr.example.org", aud="http://127.0.0.1:8080/cds-services/care-plan"),
        lambda ehr: ehr.token("care-plan-orders"),
        lambda ehr: ehr.token("care-plan", iss="https://somebody.example"),
        lambda ehr: ehr.token("care-plan", exp=ehr.services.clock() // 1000 - 60),
        lambda ehr: ehr.token("care-plan", exp=ehr.services.clock() // 1000 + 3600),
        lambda ehr: ehr.token("care-plan", iat=None),
        lambda ehr: ehr.token("care-plan", jti=None),
        lambda ehr: ehr.token("care-plan", key=ECKey.generate_key("P-384")),
        lambda ehr: ehr.token("care-plan", header={"typ": "at+jwt"}),
        lambda ehr: ehr.token("care-plan", header={"kid": "unknown"}),
    ],
    ids=[
        *("none", "unread", "alg-none", "other-service", "other-issuer", "past"),
        *("long", "no-iat", "no-jti", "forged", "no-jwt", "no-key"),
    ],
)
def test_nobody_else_is_answered_nor_told_why(ehr, made):
    there = ehr()
    refused = there.post("care-plan", there.body("care-plan"), made(there))
    assert refused.status_code == 401
    assert "signature" not in refused.text
    assert "issuer" not in refused.text


def test_a_call_cannot_be_played_again(ehr):
    there = ehr()
    token = there.token("care-plan")
    answers = [there.post("care-plan", there.body("care-plan"), token).status_code for _ in range(2)]
    assert answers == [200, 401]


def changed(**more):
    return lambda body: {**body, **more}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (changed(hook="order-sign"), "hook"),
        (changed(hookInstance="7"), "hookInstance"),
        (changed(context=None), "context"),
        (changed(context={"userId": "Practitioner/1"}), "context.patientId"),
        (changed(context={"userId": "Practitioner/1", "patientId": "../x"}), "context.patientId"),
        (changed(prefetch=[]), "prefetch"),
        (changed(fhirServer=5), "fhirServer"),
        (changed(fhirAuthorization={"access_token": "a b"}, fhirServer="https://x"), "fhirAuthorization"),
        (
            changed(
                fhirAuthorization={"access_token": "a", "token_type": "Bearer", "patient": "other"},
                fhirServer="https://x",
            ),
            "fhirAuthorization.patient",
        ),
        (lambda body: [], "body"),
    ],
)
def test_a_call_that_lacks_something_says_what(ehr, damage, told):
    there = ehr()
    refused = there.post("care-plan", damage(there.body("care-plan")))
    assert refused.status_code == 400
    assert told in refused.json["issue"][0]["details"]["text"]


def test_an_unknown_service_is_404_and_another_method_405(ehr):
    there = ehr()
    assert there.post("nonesuch", {}).status_code == 404
    assert there.client.get("/cds-services/care-plan").status_code == 405


def test_a_browser_may_call_from_another_origin(ehr):
    asked = ehr().client.options("/cds-services/care-plan", headers={"Origin": "https://ehr.example.org"})
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]


def cds(there, **given):
    made = Cds(there.services.settings, there.services.database, there.services.clock)
    return replace(made, **given)


def test_cards_that_would_come_late_are_left_out(ehr):
    there = ehr()
    ticks = iter(range(0, 10_000, 100))
    found = parsed(SERVICES["care-plan"], there.body("care-plan"))
    caller = Caller("", there.services.settings.default_connection)
    all_ = answer(cds(there), found, caller, "r")
    assert len(all_["cards"]) > 1
    assert len(answer(cds(there, timer=lambda: next(ticks)), found, caller, "r")["cards"]) == 1


def test_a_lent_token_goes_to_the_connections_ehr_alone(ehr):
    there = ehr(ehr_url="http://127.0.0.1:9/fhir")
    asked = []

    def read(base, *about):
        asked.append((base, *about[:3]))

    body = there.body("care-plan-discharge", context={"encounterId": "unknown", "patientId": "pat-hf"})
    lent = {"access_token": "lent", "token_type": "Bearer"}
    caller = Caller("", there.services.settings.default_connection)
    link_patient(there)
    for server in ("https://evil.example/fhir", "http://127.0.0.1:9/fhir/"):
        call = parsed(SERVICES["care-plan-discharge"], {**body, "fhirServer": server, "fhirAuthorization": lent})
        assert "lent" not in repr(call)
        answer(cds(there, read=read), call, caller, "r")
    assert asked == [("http://127.0.0.1:9/fhir", "Encounter", "unknown", "lent")]


def link_patient(there):
    from fhirplan.store.sync import links

    with there.services.database.write() as tx:
        links.put(tx, "default", links.Link("Patient", "pat-hf", "pat-hf"), there.services.clock())


def told(**more):
    return {"feedback": [{"card": CARD, "outcome": "overridden", "outcomeTimestamp": "2026-03-09T13:00:00Z", **more}]}


def test_feedback_is_kept_once_however_often_it_is_told(ehr):
    there = ehr()
    taken = {"outcome": "accepted", "acceptedSuggestions": [{"id": CARD}]}
    why = {"overrideReason": {"reason": {"code": "done-already"}, "userComment": "Elena said so"}}
    for more in (why, why, taken):
        assert there.post("care-plan/feedback", told(**more)).status_code == 200
    with there.services.database.read() as tx:
        (kept,) = cds_feedback.listed(tx, "default")
    assert (kept.outcome, kept.suggestions, kept.issuer) == ("accepted", CARD, "https://ehr.example.org")
    assert "Elena" not in str(kept)


@pytest.mark.parametrize(
    "more", [{"card": "x"}, {"outcome": "ignored"}, {"outcomeTimestamp": "soon"}, {"outcome": "accepted"}]
)
def test_feedback_that_cannot_be_read_is_refused_whole(ehr, more):
    there = ehr()
    body = told()
    body["feedback"] += told(**more)["feedback"]
    assert there.post("care-plan/feedback", body).status_code == 400
    with there.services.database.read() as tx:
        assert cds_feedback.listed(tx, "default") == []


def test_each_call_is_in_the_patients_audit(ehr):
    there = ehr()
    there.cards("care-plan")
    there.services.accesses.keep()
    with there.services.database.read() as tx:
        kept = audit.found(tx, "default", patient="pat-hf", before=2**62, count=1)[0]
    assert (kept.actor, kept.action, kept.query) == ("cds https://ehr.example.org", "E", "patient-view")
