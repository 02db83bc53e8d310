"""settings: one frozen value, every key checked, a wrong one named."""

import dataclasses

import pytest

from fhirplan.ehr.vendors import VENDORS
from fhirplan.errors import Misconfigured
from fhirplan.settings import Connection, Settings, load


def test_defaults_need_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load({})
    assert settings.auth == "smart"
    assert settings.validation == "case-management"
    assert settings.database == f"sqlite:///{tmp_path / 'data' / 'fhirplan.db'}"
    assert settings.connection("default").write_mode == "behind"
    assert settings.connection("mercy") is None


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text('max_count = 10\ndefault_count = 5\nehr_url = "http://ehr.example/fhir"\n')
    settings = load({"FHIRPLAN_CONFIG": str(file), "FHIRPLAN_MAX_COUNT": "20"})
    assert (settings.max_count, settings.default_count) == (20, 5)
    assert settings.default_connection.ehr_url == "http://ehr.example/fhir"


def test_named_connections_have_their_own_settings(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text('[connections.mercy]\nehr_url = "https://mercy.example/fhir"\nwrite_mode = "through"\n')
    settings = load({"FHIRPLAN_CONFIG": str(file)})
    assert settings.connection("mercy").write_mode == "through"
    assert [item.name for item in settings.all_connections] == ["default", "mercy"]


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"FHIRPLAN_AUHT": "open"}, "FHIRPLAN_AUHT"),
        ({"FHIRPLAN_AUTH": "none"}, "auth"),
        ({"FHIRPLAN_VALIDATION": "strict"}, "validation"),
        ({"FHIRPLAN_MAX_BODY_BYTES": "ten"}, "max_body_bytes"),
        ({"FHIRPLAN_MAX_DEPTH": "1"}, "max_depth"),
        ({"FHIRPLAN_EHR_URL": "ehr.example"}, "ehr_url"),
        ({"FHIRPLAN_EHR_AUTH": "bearer"}, "ehr_token"),
        ({"FHIRPLAN_TIME_ZONE": "Mars/Olympus"}, "time_zone"),
        ({"FHIRPLAN_AUTH": "open", "FHIRPLAN_BASE_URL": "https://plans.example"}, "auth"),
        ({"FHIRPLAN_CONFIG": "/nowhere/at/all.toml"}, "/nowhere/at/all.toml"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(environ, named):
    with pytest.raises(Misconfigured) as caught:
        load(environ)
    assert named in caught.value.text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "colour"),
        ("[connections.mercy]\nehr_ulr = 'http://x.example'", "connections.mercy.ehr_ulr"),
        ("[connections.fhir]\nehr_url = 'http://x.example'", "connections.fhir"),
        ("connections = 3", "connections"),
        ("= 3", "not TOML"),
    ],
)
def test_a_wrong_file_stops_the_start_and_names_the_key(tmp_path, text, named):
    file = tmp_path / "f.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        load({"FHIRPLAN_CONFIG": str(file)})
    assert named in caught.value.text


def test_a_misspelled_key_is_answered_with_the_nearest_one():
    with pytest.raises(Misconfigured) as caught:
        load({"FHIRPLAN_MAX_COUNTS": "3"})
    assert "max_count" in caught.value.text


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(Misconfigured) as caught:
        load({}, ehr_auth="backend-services", connections={"mercy": {"ehr_url": "ehr.example"}}, token_seconds=3601)
    for key in ("token_seconds: ", "ehr_client_id: ", "ehr_private_key: ", "connections.mercy.ehr_url: "):
        assert key in caught.value.text


def test_a_token_is_in_no_message_and_no_repr():
    settings = load({"FHIRPLAN_EHR_AUTH": "bearer", "FHIRPLAN_EHR_TOKEN": "s3cret"})
    assert "s3cret" not in repr(settings)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).auth = "open"
    assert all(item.metadata.get("meaning") for item in dataclasses.fields(Settings) if item.metadata)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"launch_auth": "client-secret-basic"}, "launch_client_secret"),
        ({"launch_auth": "private-key-jwt"}, "ehr_private_key"),
        ({"launch_issuers": "http://ehr.example.org/fhir"}, "launch_issuers"),
        ({"launch_frame_ancestors": "https://*.example.org"}, "launch_frame_ancestors"),
        ({"launch_frame_ancestors": "https://ehr.example.org/path"}, "launch_frame_ancestors"),
        ({"token_seconds": "7200"}, "token_seconds"),
    ],
)
def test_a_launch_that_could_not_be_safe_stops_the_start(given, key):
    with pytest.raises(Misconfigured) as refused:
        load({}, **given)
    assert key in refused.value.text


NAMED = '[connections.mercy-west]\nehr_url = "https://mercy.example/fhir"\nehr_auth = "bearer"\n'


def test_a_named_connections_secret_comes_by_the_environment(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text(NAMED)
    settings = load({"FHIRPLAN_CONFIG": str(file), "FHIRPLAN_MERCY_WEST__EHR_TOKEN": "sesame"})
    assert settings.connection("mercy-west").ehr_token == "sesame"
    assert settings.connection("mercy-west").ehr_url == "https://mercy.example/fhir"
    assert settings.default_connection.ehr_token == ""


@pytest.mark.parametrize("name", ["FHIRPLAN_MERCY__EHR_TOKEN", "FHIRPLAN_MERCY_WEST__EHR_TOKN"])
def test_a_variable_of_no_connection_or_no_setting_is_named(name, tmp_path):
    file = tmp_path / "f.toml"
    file.write_text(NAMED)
    with pytest.raises(Misconfigured) as refused:
        load({"FHIRPLAN_CONFIG": str(file), "FHIRPLAN_MERCY_WEST__EHR_TOKEN": "t", name: "sesame"})
    assert name in refused.value.text
    assert "sesame" not in refused.value.text


def test_each_vendor_that_is_known_can_be_chosen():
    field = next(item for item in dataclasses.fields(Connection) if item.name == "ehr_vendor")
    assert set(field.metadata["check"]["one_of"]) == {"", *VENDORS}


@pytest.mark.parametrize("key", ["bad", "é" * 44, "A" * 43, "A" * 43 + "=,short", "not a key, at all"])
def test_a_key_that_is_none_stops_the_start_and_is_not_repeated(key):
    with pytest.raises(Misconfigured) as refused:
        load({"FHIRPLAN_ENCRYPTION_KEY": key})
    assert "encryption_key" in refused.value.text
    assert key not in refused.value.text


def test_several_keys_are_taken():
    assert load({"FHIRPLAN_ENCRYPTION_KEY": ", ".join(["A" * 43 + "=", "_-" + "b" * 41 + "="])}).encryption_key
