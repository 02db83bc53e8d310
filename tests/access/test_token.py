"""Access tokens: one test for each way to make one that must not be taken."""

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhirplan.access import token
from fhirplan.errors import InvalidToken

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://plan.example/auth", "https://plan.example/fhir"
EXPECTED = token.Expected(ISSUER, frozenset({AUDIENCE}))
EC, OTHER_EC, RSA = (
    ECKey.generate_key("P-384", {"kid": "ec"}),
    ECKey.generate_key("P-384", {"kid": "other"}),
    RSAKey.generate_key(2048, {"kid": "rsa"}),
)
PUBLIC = token.public_keys({"keys": [key.as_dict(private=False) for key in (EC, RSA)]})


def claims(**changed):
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "s", "client_id": "c", "scope": "system/Goal.rs", "exp": NOW + 300}
    return {name: value for name, value in (made | changed).items() if value is not None}


def made(key=EC, header=None, alg=None, **changed):
    alg = alg or ("RS384" if isinstance(key, RSAKey) else "ES384")
    head = {"alg": alg, "kid": key.kid, "typ": "at+jwt", **(header or {})}
    return jwt.encode(head, claims(**changed), key, algorithms=[alg, "HS256"])


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def refused(text, expected=EXPECTED, keys=PUBLIC, now=NOW):
    with pytest.raises(InvalidToken) as error:
        token.verify(text, keys, expected, now)
    assert len(text) < 9 or text not in error.value.text
    return error.value


@pytest.mark.parametrize("key", [EC, RSA])
def test_a_good_token_gives_its_claims(key):
    assert token.verify(made(key), PUBLIC, EXPECTED, NOW)["client_id"] == "c"


def test_alg_none():
    refused(f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims())}.x")
    refused(f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims())}.")
    refused(f"{part({'alg': 'None', 'typ': 'at+jwt', 'kid': 'ec'})}.{part(claims())}.AA")


def test_key_confusion_hmac_with_the_public_key():
    secret = RSA.as_pem(private=False)
    head = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'at+jwt'})}.{part(claims())}"
    mac = base64.urlsafe_b64encode(hmac.new(secret, head.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    refused(f"{head}.{mac}")


def test_key_confusion_rsa_name_for_an_ec_key():
    refused(made(RSA, {"kid": "ec"}))
    refused(made(EC, {"kid": "rsa"}))


def test_an_algorithm_that_was_not_configured():
    refused(made(RSA, alg="RS256"))
    wide = token.Expected(ISSUER, frozenset({AUDIENCE}), frozenset({"RS256"}))
    assert token.verify(made(RSA, alg="RS256"), PUBLIC, wide, NOW)
    refused(made(RSA), wide)


def test_a_key_of_somebody_else_under_our_kid():
    forged = ECKey.import_key({**OTHER_EC.as_dict(private=True), "kid": "ec"})
    refused(made(forged))


def test_an_embedded_key_is_not_looked_at():
    public = OTHER_EC.as_dict(private=False)
    head = {"alg": "ES384", "typ": "at+jwt", "jwk": public}
    refused(jwt.encode(head, claims(), OTHER_EC, algorithms=["ES384"]))
    refused(jwt.encode({**head, "kid": "ec"}, claims(), OTHER_EC, algorithms=["ES384"]))


def test_a_crit_header():
    text = jws.serialize_compact(
        {"alg": "ES384", "kid": "ec", "typ": "at+jwt", "crit": ["b64"], "b64": True},
        json.dumps(claims()),
        EC,
        ["ES384"],
    )
    refused(text)


def test_no_kid_with_several_keys_of_a_kind():
    keys = (*PUBLIC, *token.public_keys({"keys": [OTHER_EC.as_dict(private=False)]}))
    text = jwt.encode({"alg": "ES384", "typ": "at+jwt"}, claims(), EC, algorithms=["ES384"])
    refused(text, keys=keys)
    assert token.verify(text, PUBLIC, EXPECTED, NOW)


@pytest.mark.parametrize("typ", ["JWT", "", "client-authentication+jwt"])
def test_an_id_token_or_assertion_is_no_access_token(typ):
    refused(made(header={"typ": typ}))


@pytest.mark.parametrize("aud", ["https://plan.example", AUDIENCE + "/", [], ["x"], None, 5, [AUDIENCE + "x", None]])
def test_wrong_aud(aud):
    refused(made(aud=aud))


def test_one_right_audience_among_others_is_enough():
    assert token.verify(made(aud=["x", AUDIENCE]), PUBLIC, EXPECTED, NOW)


@pytest.mark.parametrize("iss", ["https://plan.example/auth/", "https://evil.example", None, [ISSUER]])
def test_wrong_issuer(iss):
    refused(made(iss=iss))


def test_expired():
    assert refused(made(exp=NOW - 60)).issues[0].code == "expired"
    assert token.verify(made(exp=NOW - 59), PUBLIC, EXPECTED, NOW)


@pytest.mark.parametrize("exp", [None, True, "1900000000", -1, 1e15, [1]])
def test_no_usable_expiry(exp):
    refused(made(exp=exp))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_future(name):
    refused(made(**{name: NOW + 61}))
    assert token.verify(made(**{name: NOW + 59}), PUBLIC, EXPECTED, NOW)


def test_a_changed_claim():
    head, _, signature = made().split(".")
    refused(f"{head}.{part(claims(scope='system/*.cruds'))}.{signature}")


def test_a_claim_that_stands_twice():
    text = '{"scope": "system/*.cruds", ' + json.dumps(claims())[1:]
    refused(jws.serialize_compact({"alg": "ES384", "kid": "ec", "typ": "at+jwt"}, text, EC, ["ES384"]))


def test_oversized():
    refused(made(scope="x" * 20_000))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "eyJ.eyJ.é", "=.=.=", "AA.AA.AA"])
def test_not_a_token_at_all(text):
    refused(text)


def test_deeply_nested_claims():
    deep = json.loads("[" * 50 + "]" * 50)
    refused(made(deep=deep))


def test_weak_and_foreign_keys_are_passed_over():
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    listed = [
        weak.as_dict(private=False),
        ECKey.generate_key("P-256").as_dict(private=False),
        OctKey.generate_key(256).as_dict(private=True),
        {**EC.as_dict(private=False), "use": "enc"},
        EC.as_dict(private=True),
        {"kty": "RSA"},
        "key",
    ]
    assert token.public_keys({"keys": listed}) == ()
    assert token.public_keys({}) == ()
