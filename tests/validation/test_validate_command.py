"""fhirplan validate and fhirplan package: ways in, shapes of the answer, exit codes."""

import json
import tarfile

import pytest
from click.testing import CliRunner

from fhirplan.cli import package, validate
from fhirplan.fhir.codec import dumps


@pytest.fixture
def run():
    def go(*arguments, **more):
        return CliRunner().invoke(validate.command, [*map(str, arguments)], catch_exceptions=False, **more)

    return go


@pytest.fixture
def folder(tmp_path, plan):
    (tmp_path / "good.json").write_bytes(dumps(plan))
    (tmp_path / "bad.json").write_bytes(dumps({**plan, "id": "bad", "status": "nope"}))
    return tmp_path


def test_one_line_per_resource_in_json(run, folder):
    answer = run("--format", "json", "--policy", "base", folder)
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.exit_code == 1
    assert [(row["source"], row["valid"]) for row in rows] == [
        (str(folder / "bad.json"), False),
        (str(folder / "good.json"), True),
    ]
    assert set(rows[0]) == {"source", "resourceType", "id", "valid", "issues"}
    issue = rows[0]["issues"][0]
    assert {"severity", "code", "expression", "text", "rule", "profile"} <= set(issue)
    assert (issue["rule"], issue["expression"]) == ("cm-binding", "CarePlan.status")


def test_exit_codes(run, folder):
    assert run("--policy", "base", folder / "good.json").exit_code == 0
    assert run("--policy", "base", folder / "bad.json").exit_code == 1
    assert run("--policy", "base", folder / "gone.json").exit_code == 2
    assert run("--package", "no.such.package#1", folder / "good.json").exit_code == 2


def test_the_policy_comes_from_the_environment(run, folder):
    assert run(folder / "good.json", env={"FHIRPLAN_VALIDATION": "base"}).exit_code == 0
    assert run(folder / "good.json", env={"FHIRPLAN_VALIDATION": "case-management"}).exit_code == 1


def test_ndjson_names_its_lines(run, tmp_path, plan):
    lines = tmp_path / "many.ndjson"
    lines.write_bytes(dumps(plan) + b"\n\n" + dumps({**plan, "status": "nope"}) + b"\n")
    rows = [json.loads(line) for line in run("--format", "json", "--policy", "base", lines).stdout.splitlines()]
    assert [(row["source"], row["valid"]) for row in rows] == [(f"{lines}:1", True), (f"{lines}:3", False)]


def test_a_bundle_is_taken_apart_when_asked(run, tmp_path, plan):
    file = tmp_path / "bundle.json"
    file.write_bytes(dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": plan}] * 2}))
    rows = run("--format", "json", "--policy", "base", "--each-entry", file).stdout.splitlines()
    assert [json.loads(row)["source"] for row in rows] == [f"{file}:0", f"{file}:1"]
    assert len(run("--format", "json", "--policy", "base", file).stdout.splitlines()) == 1


def test_standard_input(run, plan):
    answer = run("--format", "json", "--policy", "base", "-", input=dumps(plan))
    assert json.loads(answer.stdout)["source"] == "-"
    assert answer.exit_code == 0


def test_xml_is_read_as_the_api_reads_it(run, tmp_path):
    file = tmp_path / "one.xml"
    file.write_text('<?xml version="1.0"?>\n<Patient xmlns="http://hl7.org/fhir"><gender value="odd"/></Patient>')
    before = file.read_text()
    answer = run("--format", "json", "--fix", file)
    row = json.loads(answer.stdout)
    assert (answer.exit_code, row["resourceType"], row["valid"]) == (1, "Patient", False)
    assert [one["expression"] for one in row["issues"] if one["severity"] == "error"] == ["Patient.gender"]
    assert file.read_text() == before
    assert run("-", input='<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>').exit_code == 0


def test_what_is_wrong_with_the_form_of_xml_is_told_with_its_place(run):
    answer = run(
        "--format", "json", "-", input='<Patient xmlns="http://hl7.org/fhir">\n<colour value="red"/></Patient>'
    )
    assert answer.exit_code == 1
    assert [(one["severity"], one["line"]) for one in json.loads(answer.stdout)["issues"]][:1] == [("error", 2)]


def test_an_operation_outcome(run, folder):
    outcome = json.loads(run("--format", "outcome", "--policy", "base", folder / "bad.json").stdout)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["expression"] == ["CarePlan.status"]


def test_text_says_where_and_what_to_do(run, folder):
    text = run("--policy", "base", folder / "bad.json").stdout
    assert "INVALID" in text
    assert "CarePlan.status (line 1, column" in text


def test_fix_repairs_the_file(run, tmp_path, plan):
    file = tmp_path / "plan.json"
    file.write_bytes(dumps({**plan, "status": "Active"}))
    assert "repair:" in run("--policy", "base", "--fix", file).stdout
    assert run("--policy", "base", file).exit_code == 0


def test_many_files_are_spread_over_the_cores_in_order(run, tmp_path, plan, monkeypatch):
    monkeypatch.setattr(validate, "_MANY", 4)
    for number in range(20):
        (tmp_path / f"{number:02}.json").write_bytes(dumps({**plan, "id": f"p{number}"}))
    rows = [json.loads(row) for row in run("--format", "json", "--policy", "base", tmp_path).stdout.splitlines()]
    assert [row["id"] for row in rows] == [f"p{number}" for number in range(20)]


def test_our_package_holds_what_others_need(tmp_path, plan):
    target = tmp_path / "ours.tgz"
    assert CliRunner().invoke(package.command, ["-o", str(target)], catch_exceptions=False).exit_code == 0
    with tarfile.open(target) as archive:
        read = {member.name: json.load(archive.extractfile(member)) for member in archive}
    assert read["package/package.json"]["fhirVersions"] == ["4.0.1"]
    listed = {f"package/{one['filename']}" for one in read["package/.index.json"]["files"]}
    assert listed == set(read) - {"package/package.json", "package/.index.json"}
    task = read["package/StructureDefinition-case-management-task.json"]
    assert len(task["snapshot"]["element"]) > len(task["differential"]["element"])
    # Used as a package, without our folder, it finds the same.
    answer = CliRunner().invoke(
        validate.command,
        [
            "--format",
            "json",
            "--policy",
            "declared",
            "--package",
            str(target),
            "--profile",
            "http://fhirplan.dev/fhir/StructureDefinition/case-management-careplan",
            "-",
        ],
        input=dumps(plan),
    )
    assert "cm-slice" in {one["rule"] for one in json.loads(answer.stdout)["issues"]}
