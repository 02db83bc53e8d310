"""web/chart/assessment: a nurse asks, stops, goes on, saves, and adds what follows; without script."""

import re

import pytest

FORM = "/assessment/form"


def answers(nurse, section, act="next", status=303, **told):
    """Answers a section as the form of its page does; ``_6_3`` is the question 6.3."""
    values = nurse.fill(f"{FORM}?section={section}", FORM)
    told = {f"q-{name.lstrip('_').replace('_', '.')}": text for name, text in told.items()}
    return nurse.send(FORM, {**values, **told, "act": act}, status)


def whole(nurse, **told):
    """A finished assessment with these answers besides those that are needed; gives its id."""
    wanted = {"_1_1": "Heart failure", "_10_1": "high", "_10_2": "moderate", **told}
    for section in range(1, 11):
        own = {name: text for name, text in wanted.items() if name.startswith(f"_{section}_")}
        act = "finish" if section == 10 else "next"
        where = answers(nurse, section, act, **own)
    return re.search(r"/assessment/([\w-]+)\?", where)[1]


def made(nurse):
    """The assessments besides the one that the sample brings."""
    bundle = nurse.api.get("QuestionnaireResponse?patient=pat-hf").get_json(force=True)
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["id"] != "qr-hf"]


def test_needs_are_assessed_section_by_section_and_saved_as_one_response(nurse):
    done = whole(nurse, _3_1=["bathing", "walking"], _6_3="medical", _4_2="4", _9_1="To walk to church")
    response = nurse.stored(f"QuestionnaireResponse/{done}")
    assert response["status"] == "completed"
    assert response["questionnaire"] == "http://fhirplan.dev/fhir/Questionnaire/cm-assessment|1.0.0"
    assert response["author"]["reference"] == "PractitionerRole/role-ncm"
    assert [item["linkId"] for item in response["item"]] == ["1", "3", "4", "6", "9", "10"]
    living = next(item for item in response["item"] if item["linkId"] == "3")
    assert [answer["valueCoding"]["code"] for answer in living["item"][0]["answer"]] == ["bathing", "walking"]


def test_what_is_ticked_is_added_together_and_the_rest_can_be_added_later(nurse):
    before = nurse.stored("CarePlan/cp-hf-1")
    done = whole(nurse, _4_2="4", _6_2="often", _9_1="To walk to church", _7_1="Polish", _10_1="intensive")
    page = nurse.see(f"/assessment/{done}")
    assert "Barrier:</strong> Food runs short" in page
    assert "Goal:</strong> To walk to church" in page
    assert "Acuity of the plan" in page
    values = nurse.fill(f"/assessment/{done}", f"/assessment/{done}")
    refs = re.findall(r'name="take" value="([^"]+)"', page)
    kinds = sorted(ref.partition("/")[0] for ref in refs)
    assert kinds == ["Condition", "Goal", "Goal", "Patient", "RiskAssessment", "Task", "Task"]
    taken = [ref for ref in refs if ref.partition("/")[0] in ("Condition", "Task")]
    nurse.send(f"/assessment/{done}", {**values, "take": taken})
    plan = nurse.stored("CarePlan/cp-hf-1")
    assert len(plan["activity"]) == len(before["activity"]) + 2
    assert plan["goal"] == before["goal"]
    assert nurse.stored("Patient/pat-hf")["meta"]["versionId"] == "1"
    page = nurse.see(f"/assessment/{done}")
    left = re.findall(r'name="take" value="([^"]+)"', page)
    assert sorted(left) == sorted(set(refs) - set(taken))
    nurse.send(f"/assessment/{done}", {**nurse.fill(f"/assessment/{done}", f"/assessment/{done}"), "take": left})
    assert "Everything that follows from these answers is in the record already" in nurse.see(f"/assessment/{done}")
    spoken = nurse.stored("Patient/pat-hf")["communication"]
    assert spoken[0]["language"]["coding"][0]["code"] == "pl"
    assert spoken[0]["preferred"] is True


def test_each_thing_that_is_added_has_its_provenance(nurse):
    done = whole(nurse, _6_2="often")
    refs = re.findall(r'name="take" value="([^"]+)"', nurse.see(f"/assessment/{done}"))
    nurse.send(f"/assessment/{done}", {**nurse.fill(f"/assessment/{done}", f"/assessment/{done}"), "take": refs})
    for ref in (*refs, "CarePlan/cp-hf-1", f"QuestionnaireResponse/{done}"):
        found = nurse.api.get(f"Provenance?target={ref}").get_json(force=True)
        assert found["entry"], ref


def test_a_wrong_answer_is_said_beside_its_question_and_what_was_typed_stays(nurse):
    page = answers(nurse, 2, status=422, _2_2="many", _2_1="sometimes")
    assert page.count("Write a whole number.") == 2
    assert 'id="q-2.2-wrong"' in page
    assert 'value="many"' in page
    assert re.search(r'value="sometimes" checked', page)
    assert made(nurse) == []


def test_what_is_needed_is_asked_for_when_it_is_saved_with_a_link_to_its_section(nurse):
    page = answers(nurse, 10, "finish", status=422, _10_1="high")
    assert "Answer this: Main conditions in your own words" in page
    assert "Clinical" in page
    assert "section=10" in page
    assert made(nurse) == []


def test_the_draft_of_all_sections_comes_back(nurse):
    answers(nurse, 6, "to-9", _6_1="steady")
    values = nurse.fill(f"{FORM}?section=9", FORM)
    kept = nurse.api.client.post(
        "/chart/patients/pat-hf/assessment/draft", data={**values, "q-9.1": "To see my sister"}
    )
    assert "Draft kept" in kept.get_data(as_text=True)
    assert "To see my sister</textarea>" in nurse.see(f"{FORM}?section=9")
    assert re.search(r'value="steady" checked', nurse.see(f"{FORM}?section=6"))
    assert "2 of 30 answered" in nurse.see("/assessment")
    nurse.send("/assessment/discard", values)
    assert "Start an assessment" in nurse.see("/assessment")


def test_one_that_was_stopped_is_kept_for_everybody_and_gone_on_with(nurse):
    answers(nurse, 1, "later", _1_1="Heart failure")
    [begun] = made(nurse)
    assert begun["status"] == "in-progress"
    assert "Heart failure</textarea>" in nurse.see(f"{FORM}?section=1")
    assert "nothing follows from it yet" in nurse.see(f"/assessment/{begun['id']}")
    answers(nurse, 10, "finish", _10_1="low", _10_2="low")
    assert nurse.stored(f"QuestionnaireResponse/{begun['id']}")["status"] == "completed"
    assert nurse.stored(f"QuestionnaireResponse/{begun['id']}")["meta"]["versionId"] == "2"


def test_one_that_somebody_else_answered_on_shows_both_and_loses_nothing(nurse):
    answers(nurse, 1, "later", _1_1="Heart failure")
    [begun] = made(nurse)
    answers(nurse, 9, "to-10", _9_1="Mine")
    other = {**begun, "item": [{**begun["item"][0], "item": [*begun["item"][0]["item"], _integer("1.3", 2)]}]}
    answer = nurse.api.put(other)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    page = answers(nurse, 10, "finish", status=412, _10_1="low", _10_2="low")
    assert "Emergency visits in the last 6 months" in page
    answers(nurse, 10, "finish")
    saved = nurse.stored(f"QuestionnaireResponse/{begun['id']}")
    assert saved["status"] == "completed"
    text = str(saved["item"])
    assert "Mine" in text
    assert "'valueInteger': 2" in text


def _integer(link, value):
    return {"linkId": link, "answer": [{"valueInteger": value}]}


def test_a_reassessment_shows_what_was_said_before_and_what_has_changed(nurse):
    whole(nurse, _6_3="medical", _6_1="steady")
    page = nurse.see(f"{FORM}?section=6")
    assert "Last time, 9 Mar: medical" in page
    done = whole(nurse, _6_3="no", _6_1="steady")
    page = nurse.see(f"/assessment/{done}")
    changed = page.partition("What changed since 9 Mar")[2].partition("</table>")[0]
    assert "Lack of transport kept you from care" in changed
    assert '<td data-label="Last time">medical</td>' in changed
    assert "Housing" not in changed


def test_the_questions_are_asked_in_spanish_while_the_page_stays_english(nurse):
    page = nurse.see(f"{FORM}?section=6&ask=es")
    assert '<span lang="es">¿Se siente a salvo en su casa?</span>' in page
    assert "Next section" in page


def test_a_template_that_fits_the_conditions_is_offered(nurse):
    done = whole(nurse, _1_1="COPD and a bad knee")
    assert "/templates/cm-copd-discharge" in nurse.see(f"/assessment/{done}")
    assert "/templates/cm-diabetes" not in nurse.see(f"/assessment/{done}")


@pytest.mark.parametrize("form", [FORM, "/assessment/draft", "/assessment/discard"])
def test_a_form_of_another_site_is_not_taken(nurse, form):
    nurse.send(form, {"section": "1", "q-1.1": "Forged"}, 403)


def test_a_response_to_something_else_is_no_assessment_here(nurse):
    other = {
        "resourceType": "QuestionnaireResponse",
        "id": "other",
        "status": "completed",
        "questionnaire": "http://example.org/other",
        "subject": {"reference": "Patient/pat-hf"},
    }
    assert nurse.api.put(other).status_code == 201
    nurse.see("/assessment/other", 404)
    assert "/assessment/other" not in nurse.see("/assessment")
