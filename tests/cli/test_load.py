"""``fhirplan load`` and ``fhirplan migrate``."""

import json

import pytest
from click.testing import CliRunner

from fhirplan import settings
from fhirplan.cli import load, migrate, reindex
from fhirplan.store import versions
from fhirplan.store.engine import Database

PATIENT = {"resourceType": "Patient", "id": "p1"}
GOAL = {
    "resourceType": "Goal",
    "id": "g1",
    "lifecycleStatus": "active",
    "description": {"text": "walk"},
    "subject": {"reference": "Patient/p1"},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FHIRPLAN_DATABASE_URL", f"sqlite:///{tmp_path / 'test.db'}")
    monkeypatch.setenv("FHIRPLAN_VALIDATION", "base")

    def invoke(command, *arguments):
        return CliRunner().invoke(command, [str(item) for item in arguments])

    assert invoke(migrate.command).exit_code == 0
    return invoke


def _stored(tmp_path, type_, id_):
    database = Database.open(f"sqlite:///{tmp_path / 'test.db'}")
    with database.read() as tx:
        found = versions.current(tx, "default", type_, id_)
    database.close()
    return found


def _file(tmp_path, name, resource):
    path = tmp_path / name
    path.write_text(json.dumps(resource), encoding="utf-8")
    return path


def _bundle(kind, *resources):
    entries = [{"resource": one} for one in resources]
    if kind == "transaction":
        for entry, one in zip(entries, resources, strict=True):
            entry["request"] = {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


@pytest.mark.parametrize("kind", ["transaction", "collection"])
def test_a_bundle_is_loaded_through_the_checks_of_the_api(run, tmp_path, kind):
    path = _file(tmp_path, "bundle.json", _bundle(kind, PATIENT, GOAL))
    done = run(load.command, path)
    assert done.exit_code == 0, done.output
    assert _stored(tmp_path, "Goal", "g1").version == 1
    assert run(load.command, path).exit_code == 0
    assert _stored(tmp_path, "Goal", "g1").version == 1


def test_a_folder_of_resources_is_loaded(run, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    _file(folder, "a.json", PATIENT)
    _file(folder, "b.json", GOAL)
    done = run(load.command, folder, "--format", "json")
    assert done.exit_code == 0
    assert [item["entries"] for item in json.loads(done.stdout)] == [1, 1]


def test_what_is_refused_is_named_and_the_rest_is_loaded(run, tmp_path):
    good = _file(tmp_path, "good.json", PATIENT)
    bad = _file(tmp_path, "bad.json", _bundle("transaction", GOAL, {**GOAL, "id": "g2", "lifecycleStatus": "nope"}))
    broken = _file(tmp_path, "broken.json", PATIENT)
    broken.write_text("{", encoding="utf-8")
    done = run(load.command, bad, good, broken, "--format", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [item["status"] for item in told] == [422, 200, 400]
    assert told[0]["issues"][0]["expression"] == "Bundle.entry[1].resource.lifecycleStatus"
    assert _stored(tmp_path, "Goal", "g1") is None
    assert _stored(tmp_path, "Patient", "p1").version == 1


def test_a_resource_without_an_id_cannot_be_put(run, tmp_path):
    assert run(load.command, _file(tmp_path, "x.json", {"resourceType": "Patient"})).exit_code == 1


def test_wrong_usage_is_told_apart_from_a_refusal(run, tmp_path):
    assert run(load.command).exit_code == 2
    assert run(load.command, tmp_path / "nowhere.json").exit_code == 2
    assert run(load.command, _file(tmp_path, "p.json", PATIENT), "--connection", "mercy").exit_code == 2


def test_each_sample_is_taken_and_taken_again_changes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FHIRPLAN_VALIDATION", "case-management")
    folder = settings.fixtures_folder() / "bundles"
    for _ in range(2):
        done = run(load.command, folder, "--format", "json")
        assert done.exit_code == 0, done.output
        assert len(json.loads(done.stdout)) == 12
    assert _stored(tmp_path, "CarePlan", "cp-hf-1").version == 1


def test_migrate_says_what_it_did_and_can_be_repeated(run):
    assert "already" in run(migrate.command).output


def test_reindex_says_whether_there_was_something_to_do(run, tmp_path):
    run(load.command, _file(tmp_path, "p.json", PATIENT))
    done = run(reindex.command, "--all")
    assert (done.exit_code, done.stdout) == (0, "Indexed 1 resources.\n")
    assert "up to date" in run(reindex.command).output
