"""A whole change of setting in the browser, under the checks of case management: admitted, home, and not back again."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
CHART = "/chart/patients/pat-hf"


def text(page, selector="#main"):
    return re.sub(r"\s+", " ", page.locator(selector).inner_text())


def to_stage(page, stay, code):
    page.goto(f"{stay.base}{CHART}/transition")
    page.get_by_label("Stage", exact=True).select_option(code)
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("#said, .summary")
    assert page.locator(".summary").count() == 0, text(page, ".summary")


def finished(page, outcome):
    page.locator("summary", has_text="Done").first.click()
    page.get_by_label("What came of it").first.select_option(outcome)
    page.locator("details[open] button.main-act").first.click()
    page.wait_for_selector("#said, .summary")
    assert page.locator(".summary").count() == 0, text(page, ".summary")


def test_from_the_admission_to_thirty_days_at_home(browser, stay):
    context = browser.new_context(viewport={"width": 900, "height": 650})
    page = context.new_page()
    page.goto(f"{stay.base}{CHART}/transition")
    assert "Admitted, stage 2 of 10" in text(page)
    to_stage(page, stay, "discharge-planning")
    # The hospital lets her go; its EHR says so.
    stay.at("2026-03-06T15:00:00-06:00")
    encounter = stay.stored("Encounter/enc-hf-ip")
    encounter["status"] = "finished"
    encounter["period"]["end"] = "2026-03-06T14:30:00-06:00"
    stay.put(encounter)
    to_stage(page, stay, "discharged")
    assert "Discharged, stage 5 of 10" in text(page)
    # The call within two business days: the first try reaches nobody, and does not count as the call.
    stay.at("2026-03-09T09:00:00-05:00")
    page.goto(f"{stay.base}{CHART}/tasks/task-call48")
    assert "due Tue 10 Mar, tomorrow" in text(page)
    page.get_by_label("No answer", exact=True).check()
    page.get_by_label("Task is done", exact=True).check()
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector(".summary")
    assert "An attempt does not complete this task" in text(page, ".summary")
    assert stay.stored("Task/task-call48")["status"] == "accepted"
    page.get_by_label("Suggested", exact=True).check()
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#said")
    assert stay.stored("Task/task-call48")["status"] == "in-progress"
    # The next morning she is reached.
    stay.at("2026-03-10T09:00:00-05:00")
    page.goto(f"{stay.base}{CHART}/tasks/task-call48")
    assert "1 try, not reached" in text(page)
    page.get_by_label("Reached", exact=True).check()
    page.get_by_label("What was said?").fill("Weight 81.4. Knows whom to call. Ride to Friday's visit is booked.")
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#said")
    assert stay.stored("Task/task-call48")["status"] == "completed"
    to_stage(page, stay, "post-discharge-contact-made")
    # The visit within seven days.
    stay.at("2026-03-13T16:00:00-05:00")
    page.goto(f"{stay.base}{CHART}/tasks/task-visit7")
    assert "today" in text(page)
    finished(page, "need-met")
    to_stage(page, stay, "follow-up-visit-completed")
    # Day 30: she was not back, and the goal is reached.
    stay.at("2026-04-05T17:00:00-05:00")
    to_stage(page, stay, "stable")
    page.goto(f"{stay.base}{CHART}/goals/goal-noreadmit")
    page.get_by_label("How it is going").select_option("achieved")
    page.get_by_label("Is it still pursued?").select_option("completed")
    page.locator("section[aria-labelledby=h-review] button.main-act").click()
    page.wait_for_selector("#said, .summary")
    assert page.locator(".summary").count() == 0, text(page, ".summary")
    goal = stay.stored("Goal/goal-noreadmit")
    assert (goal["lifecycleStatus"], goal["achievementStatus"]["coding"][0]["code"]) == ("completed", "achieved")
    assert stay.stored("Task/task-transition")["businessStatus"]["coding"][0]["code"] == "stable"
    page.goto(f"{stay.base}{CHART}/contacts")
    assert "Ride to Friday's visit is booked" in text(page)
    page.goto(f"{stay.base}{CHART}")
    assert "back in hospital" not in text(page).lower()
    assert "readmitted" not in text(page).lower()
    context.close()
