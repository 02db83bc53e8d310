"""A nurse's day in a real browser: call, complete, conflict, two tabs, offline, session end, keyboard."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
CHART = "/chart/patients/pat-hf"


@pytest.fixture
def nurse(browser, ward):
    """A browser at the width of an EHR's frame."""
    context = browser.new_context(viewport={"width": 900, "height": 650})
    context.set_default_timeout(30_000)
    yield context
    context.close()


def opened(context, ward, path=""):
    page = context.new_page()
    page.goto(f"{ward.base}{CHART}{path}")
    return page


def text(page, selector="#main"):
    return re.sub(r"\s+", " ", page.locator(selector).inner_text())


def test_a_whole_day_from_the_discharge_to_the_printed_plan(nurse, ward):
    page = opened(nurse, ward)
    assert "overdue since" in text(page, "#state")
    # The handoff went out: the transition moves on.
    page.goto(f"{ward.base}{CHART}/transition")
    page.get_by_label("Stage", exact=True).select_option("handoff-sent")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("#said")
    assert "Handoff sent, stage 6 of 10" in text(page)
    # The call after discharge, in three fields and one save.
    page.goto(f"{ward.base}{CHART}")
    page.get_by_role("link", name="Document a call").click()
    page.get_by_label("Reached", exact=True).check()
    page.get_by_label("What was said?").fill("Weight 81.6 this morning. No swelling.")
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#said")
    assert "No swelling" in text(page)
    assert ward.stored("Task/task-call48")["status"] == "completed"
    # The visit is done too.
    page.goto(f"{ward.base}{CHART}/tasks/task-visit7")
    page.locator("summary", has_text="Done").first.click()
    page.get_by_label("What came of it").first.select_option("need-met")
    page.locator("details[open] button.main-act").first.click()
    page.wait_for_selector("#said")
    assert ward.stored("Task/task-visit7")["status"] == "completed"
    ward.sync()
    # While a page is open, the clinic moves the due date of a task that the nurse moves as well.
    page.goto(f"{ward.base}{CHART}/tasks/task-hh")
    ward.clinic_edits(
        "Task/task-hh", lambda task: task["restriction"]["period"].update(end="2026-12-16T23:59:59-06:00")
    )
    page.locator("#edit-due").fill("2026-12-12")
    page.locator("section[aria-labelledby=h-edit] button.main-act").click()
    page.wait_for_selector("#said")
    ward.sync()
    page.goto(f"{ward.base}{CHART}")
    assert "Changed on both sides" in text(page)
    page.locator(".note.danger a").first.click()
    assert re.search(r"Lakeside Clinic moved the due date to \w+ 16 Dec. You moved it to \w+ 12 Dec.", text(page))
    page.get_by_role("button", name="Settle").click()
    assert "Choose one for each field." in text(page)
    for radio in page.locator("input[type=radio][value=theirs]").all():
        radio.check()
    page.get_by_role("button", name="Settle").click()
    page.wait_for_selector("#said")
    assert ward.stored("Task/task-hh")["restriction"]["period"]["end"].startswith("2026-12-16")
    ward.sync()
    page.goto(f"{ward.base}{CHART}/sync")
    assert "Sent to Epic" in text(page)
    # The plan on paper.
    page.goto(f"{ward.base}{CHART}/print?lang=es")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert "Lo que sigue" in text(page, "main")


def test_what_the_clinic_changed_is_shown_until_it_is_marked_as_seen(nurse, ward):
    page = opened(nurse, ward, "/changes")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Mark all as seen").click()
    ward.clinic_edits("Task/task-visit7", lambda task: task.update(priority="stat"))
    ward.sync()
    page.goto(f"{ward.base}{CHART}")
    assert "1 change from Epic you have not seen" in text(page, "#pulse")
    page.locator("#pulse a").click()
    assert re.search(r"Epic · Task changed: .* priority: was urgent, now stat", text(page))
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        # What asks the lead to acknowledge it is a change too, made here, and stands above it.
        page.locator("li", has_text="priority: was").get_by_role("button", name=re.compile("Mark as seen")).click()
    page.goto(f"{ward.base}{CHART}")
    assert page.locator("#pulse").inner_text().strip() == ""


def test_two_tabs_edit_one_task_and_the_second_is_told_what_the_first_did(nurse, ward):
    first, second = (opened(nurse, ward, "/tasks/task-hh") for _ in range(2))
    for page, day, note in ((first, "2026-12-01", "First"), (second, "2026-12-02", "Second, with care")):
        page.locator("#edit-due").fill(day)
        page.locator("#edit-note").fill(note)
        page.locator("section[aria-labelledby=h-edit] button.main-act").click()
        page.wait_for_selector("#said, .stale")
    assert "changed this while you were writing. Nothing is lost." in text(second)
    assert "1 Dec" in text(second, ".stale")
    assert "2 Dec" in text(second, ".stale")
    assert second.locator("#edit-note").input_value() == "Second, with care"
    assert second.evaluate("document.activeElement.className").startswith("summary")
    second.locator("section[aria-labelledby=h-edit] button.main-act").click()
    second.wait_for_selector("#said")
    task = ward.stored("Task/task-hh")
    assert task["restriction"]["period"]["end"].startswith("2026-12-02")
    assert [note["text"] for note in task["note"]][-2:] == ["First", "Second, with care"]


def test_offline_nothing_typed_is_lost_and_it_is_sent_when_back(nurse, ward):
    page = opened(nurse, ward, "/contacts/new")
    page.get_by_label("Left message").check()
    page.get_by_label("What was said?").fill("Typed in the elevator")
    nurse.set_offline(True)
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#alert:not([hidden])")
    assert "the server does not answer" in text(page, "#alert")
    assert page.get_by_label("What was said?").input_value() == "Typed in the elevator"
    nurse.set_offline(False)
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#said")
    assert "Typed in the elevator" in text(page)


def test_when_the_session_ends_while_typing_the_words_stay(nurse, ward):
    page = opened(nurse, ward, "/contacts/new")
    page.get_by_label("Left message").check()
    page.get_by_label("What was said?").fill("Half a sentence")
    page.locator(".draft-state", has_text="Draft kept").wait_for()
    ended = lambda route: route.fulfill(status=401, content_type="text/html", body="<main id=main>no</main>")  # noqa: E731
    page.route("**/contacts/new", ended)
    page.get_by_role("button", name="Save call").click()
    page.wait_for_selector("#alert:not([hidden])")
    assert "Your session ended" in text(page, "#alert")
    assert page.get_by_label("What was said?").input_value() == "Half a sentence"
    page.unroute("**/contacts/new")
    again = opened(nurse, ward, "/contacts/new")
    assert again.get_by_label("What was said?").input_value() == "Half a sentence"


def test_nothing_on_a_half_filled_form_moves_when_changes_come_in(nurse, ward):
    page = opened(nurse, ward, "/contacts/new")
    page.get_by_label("What was said?").fill("Half")
    before = page.locator("form").last.bounding_box()
    ward.clinic_edits("Task/task-visit7", lambda task: task.update(priority="stat"))
    ward.sync()
    page.wait_for_timeout(1500)
    assert page.locator("form").last.bounding_box() == before


@pytest.mark.parametrize(("width", "height", "rows"), [(900, 650, 3), (390, 844, 2)])
def test_what_is_to_be_done_now_stands_above_the_fold(browser, site, width, height, rows):
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(f"{site}{CHART}")

    def ends(selector, number=0):
        box = page.locator(selector).nth(number).bounding_box()
        return box["y"] + box["height"]

    assert ends("#state") < (250 if width == 900 else height / 2)
    assert ends("[data-key=c]") < height
    assert ends("#now > ul > li", rows - 1) < height
    context.close()


def test_a_page_under_more_is_named_among_the_tabs_and_the_rest_stays_folded(browser, site):
    context = browser.new_context(viewport={"width": 900, "height": 650})
    page = context.new_page()
    page.goto(f"{site}{CHART}/transition")
    assert page.locator(".tabs [aria-current]").inner_text() == "Change of setting"
    assert page.locator(".more").get_attribute("open") is None
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/sync")
    assert page.locator(".tabs [aria-current]").inner_text() == "Sent and received"
    context.close()


def test_on_a_phone_the_tabs_are_one_line_that_unfolds_without_script(browser, site):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{site}{CHART}/transition")
    assert page.locator("#tabs").bounding_box()["height"] < 60
    summary = page.locator(".sections summary")
    assert summary.inner_text().split() == ["Sections:", "Change", "of", "setting"]
    assert summary.bounding_box()["height"] >= 44
    summary.click()
    page.locator(".sections").get_by_role("link", name="Goals").click()
    page.wait_for_url("**/goals")
    assert page.locator(".to-sections").is_visible()
    context.close()


def test_after_a_save_the_header_says_as_well_that_the_ehr_has_not_heard_of_it_yet(nurse, ward):
    page = opened(nurse, ward, "/tasks/task-visit7")
    assert "In step with Epic" in text(page, "#standing")
    page.locator("#edit-due").fill("2026-12-12")
    page.locator("section[aria-labelledby=h-edit] button.main-act").click()
    page.wait_for_selector("#said")
    assert "1 item not yet in step with Epic" in text(page, "#standing")
    assert page.locator("#tabs").count() == 1


def test_a_change_that_is_told_by_itself_moves_nothing_that_is_worked_at(nurse, ward):
    page = nurse.new_page()
    page.clock.install()
    page.goto(f"{ward.base}{CHART}/contacts/new")
    page.get_by_label("What was said?").fill("Half")
    before = page.locator("form").last.bounding_box()
    ward.clinic_edits("Task/task-visit7", lambda task: task.update(priority="stat"))
    ward.sync()
    page.clock.fast_forward("01:05")
    page.locator("#pulse .note").wait_for()
    assert page.locator("form").last.bounding_box() == before


def test_a_call_is_documented_with_the_keyboard_alone(nurse, ward):
    page = opened(nurse, ward)
    page.keyboard.press("c")
    page.wait_for_url("**/contacts/new*")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "how":
            break
    page.keyboard.press("Space")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "said":
            break
    page.keyboard.type("By keys alone")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Save call":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#said")
    assert ward.stored("Task/task-call48")["status"] == "completed"


KEYBOARD = [
    *(
        "",
        "/tasks",
        "/tasks?view=board",
        "/tasks/task-call48",
        "/tasks/new",
        "/goals",
        "/goals/goal-weight",
        "/goals/new",
    ),
    *("/needs", "/team", "/contacts", "/contacts/new", "/changes", "/sync", "/transition", "/compare?from=2026-01-01"),
    *("/templates", "/templates/cm-copd-discharge?start=2026-03-06", "/assessment", "/print"),
]
WATCH = """() => { let n = 0; window.reached = []; window.bare = [];
    document.querySelectorAll('details').forEach(item => item.open = true);
    const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
    for (const e of document.querySelectorAll(all)) if (e.checkVisibility() && !e.disabled) e.dataset.n = n++;
    document.addEventListener('focusin', event => { const e = event.target; window.reached.push(e.dataset.n ?? '');
        if (e.dataset.n && getComputedStyle(e).outlineStyle === 'none') window.bare.push(e.outerHTML.slice(0, 90)); });
    return n; }"""
# Radios of one name are one stop, and the arrows go through them; a date is several.
LEFT = """() => [...document.querySelectorAll('[data-n]')]
    .filter(e => e.type !== 'radio' && !window.reached.includes(e.dataset.n)).map(e => e.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def keys(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", [*KEYBOARD, "caseload", "caseload/tasks", "patients", "view"])
def test_every_control_is_reached_by_keyboard_and_shows_its_focus(keys, site, path):
    keys.goto(f"{site}{CHART}{path}" if path[:1] in ("", "/") else f"{site}/chart/{path}")
    wanted = keys.evaluate(WATCH)
    assert wanted > 1
    for _ in range(wanted + 5 * keys.locator("input[type^=date]").count() + 2):
        keys.keyboard.press("Tab")
    assert keys.evaluate(LEFT) == []
    assert keys.evaluate("window.bare") == []


def test_on_a_wide_screen_a_task_stands_beside_its_list_and_the_keys_go_between_them(browser, site):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{site}{CHART}/tasks/task-call48")
    beside = page.locator(".beside")
    assert beside.is_visible()
    assert beside.locator("[aria-current]").inner_text() == page.locator("#h-task").inner_text()
    box, panel = beside.bounding_box(), page.locator("#panel").bounding_box()
    assert box["x"] + box["width"] < panel["x"]
    beside.locator("a:not([aria-current])").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/task-hh")
    page.locator("#h-task:focus").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/task-call48")
    # What is typed and not kept yet is not left without a question.
    page.locator("#edit-note").press_sequentially("Half")
    page.on("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as asked:
        beside.locator("a:not([aria-current])").first.click()
    assert asked.value.type == "beforeunload"
    assert page.locator("#edit-note").input_value() == "Half"
    page.set_viewport_size({"width": 900, "height": 650})
    assert not beside.is_visible()
    context.close()


def test_without_script_the_same_day_works(browser, ward):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = opened(context, ward, "/contacts/new")
    page.locator("input[value=no-answer]").check()
    page.locator("textarea[name=said]").fill("Rang six times")
    page.locator("button:has-text('Save call')").click()
    assert "The call is documented" in page.content()
    page.goto(f"{ward.base}{CHART}/tasks")
    row = page.locator("#task-task-visit7")
    row.locator("select").select_option("in-progress")
    row.locator("button").click()
    assert ward.stored("Task/task-visit7")["status"] == "in-progress"
    context.close()


def test_without_script_a_template_is_applied_and_a_conflict_is_settled(browser, ward):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = opened(context, ward, "/templates/cm-copd-discharge?start=2026-12-01")
    whom = page.locator("select[name=owner-inhaler] option").nth(1)
    name = whom.inner_text()
    page.locator("select[name=owner-inhaler]").select_option(index=1)
    page.locator("form[method=post] button.main-act").click()
    assert "said=applied" in page.url
    page.goto(f"{ward.base}{CHART}/tasks")
    row = page.locator("li.task", has_text="Inhaler technique")
    assert name.partition(" (")[0] in row.inner_text()
    page.goto(f"{ward.base}{CHART}/tasks/task-hh")
    ward.clinic_edits("Task/task-hh", lambda task: task.update(priority="stat"))
    page.locator("#edit-priority").select_option("asap")
    page.locator("section[aria-labelledby=h-edit] button.main-act").click()
    ward.sync()
    page.goto(f"{ward.base}{CHART}")
    page.locator(".note.danger a").first.click()
    page.locator("button[name=rest][value=theirs]").click()
    assert "said=settled" in page.url
    assert ward.stored("Task/task-hh")["priority"] == "stat"
    context.close()


def test_a_task_moves_where_it_stands_and_says_so(nurse, ward):
    page = opened(nurse, ward, "/tasks")
    row = page.locator("#task-task-visit7")
    row.locator("select").select_option("in-progress")
    row.locator("button").click()
    page.locator("#live", has_text="In progress").wait_for(state="attached")
    assert "In progress" in text(page, "#task-task-visit7")
    assert page.url.endswith("/tasks")
