"""A client has one budget, however many tokens it has; what it spends is not taken from others."""

from tests.guarded.conftest import Caller


def test_a_client_has_one_budget_for_all_its_tokens(configured):
    server = configured(rate_limit=40)
    tokens = [server.caller("system/Goal.rs", client_id="busy", jti=str(number)) for number in range(3)]
    # The first request with each is charged to the address, since nobody knows the token yet.
    assert {caller.get("Goal").status_code for caller in tokens} == {200}
    statuses = [tokens[number % 3].get("Goal").status_code for number in range(45)]
    assert statuses[:40] == [200] * 40
    assert statuses[40:] == [429] * 5
    refused = tokens[0].get("Goal")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.get_json(force=True)["issue"][0]["code"] == "throttled"
    assert server.caller("system/Goal.rs", client_id="calm").get("Goal").status_code == 200


def test_made_up_tokens_spend_the_budget_of_their_address_and_of_no_client(configured):
    server = configured(rate_limit=20)
    known = server.caller("system/Goal.rs", client_id="calm")
    assert known.get("Goal").status_code == 200
    statuses = [Caller(server.client, f"made-up-{number}").get("Goal").status_code for number in range(25)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert known.get("Goal").status_code == 200
