"""fhir/outcome: findings as an OperationOutcome."""

from fhirplan.errors import Issue
from fhirplan.fhir.outcome import issues, outcome


def test_a_finding_is_told_as_the_guide_shows_it():
    found = Issue("error", "invariant", "Say why.", "Task.statusReason", "cm-tk-3")
    assert outcome([found]) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "invariant",
                "details": {
                    "coding": [{"system": "http://fhirplan.dev/fhir/CodeSystem/cm-rule", "code": "cm-tk-3"}],
                    "text": "Say why.",
                },
                "expression": ["Task.statusReason"],
            }
        ],
    }


def test_the_place_in_the_text_and_the_profile_are_told_when_known():
    made = outcome([Issue("fatal", "invalid", "No JSON.", line=3, column=7, profile="http://p.example")])["issue"][0]
    assert made["location"] == ["line 3, column 7"]
    assert {e["url"].rsplit("-", 1)[1]: e.get("valueInteger", e.get("valueString")) for e in made["extension"]} == {
        "source": "http://p.example",
        "line": 3,
        "col": 7,
    }


def test_no_findings_are_said_to_be_none_because_issue_is_required():
    assert outcome([])["issue"][0]["severity"] == "information"


def test_an_outcome_of_somebody_else_is_read_and_nonsense_gives_none():
    assert issues(
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x", "diagnostics": "No."}]}
    ) == (Issue("error", "x", "No."),)
    assert issues({"resourceType": "OperationOutcome", "issue": [{}]})[0].severity == "error"
    assert issues("<html>") == issues({"resourceType": "Patient"}) == issues({"resourceType": "OperationOutcome"}) == ()


def test_what_is_written_is_read_back_whole():
    patch = ({"op": "replace", "path": "/target/0/dueDate", "value": "2026-03-01"},)
    found = Issue("warning", "value", "No date.", "Goal.target[0].due", "cm-gl-4", "http://p.example", 3, 7, patch)
    assert issues(outcome([found])) == (found,)


def test_a_patch_that_somebody_else_made_of_nonsense_is_left_out():
    made = outcome([Issue("error", "value", "No.", patch=({"op": "remove", "path": "/x"},))])
    for text in ("{", '"x"', "[1]", 5, None):
        made["issue"][0]["extension"][-1]["valueString"] = text
        assert issues(made)[0].patch == ()
    made["issue"][0]["extension"] = ["x"]
    made["issue"][0]["details"] = "x"
    assert issues(made)[0].text == "No reason was given."
