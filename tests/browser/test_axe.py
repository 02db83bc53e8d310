"""axe-core finds nothing at WCAG 2.2 AA on any page or state of the chart (npm fetches it into pytest's cache)."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
VERSION = "4.14.1"
P, ES, DARK, CONTRAST = "/chart/patients/", "es", "dark", "contrast"
PAGES = [
    f"{P}pat-hf",
    f"{P}pat-hf/tasks",
    f"{P}pat-hf/tasks?view=board",
    f"{P}pat-hf/tasks?state=blocked&owner=me",
    f"{P}pat-hf/tasks/task-call48",
    f"{P}pat-hf/tasks/task-edu",
    f"{P}pat-hf/tasks/new",
    f"{P}pat-hf/goals",
    f"{P}pat-hf/goals/goal-weight",
    f"{P}pat-hf/goals/new",
    f"{P}pat-hf/needs",
    f"{P}pat-hf/team",
    f"{P}pat-hf/contacts",
    f"{P}pat-hf/contacts/new",
    f"{P}pat-hf/changes",
    f"{P}pat-hf/sync",
    f"{P}pat-hf/transition",
    f"{P}pat-hf/compare?from=2026-01-01",
    f"{P}pat-hf/templates",
    f"{P}pat-hf/assessment",
    f"{P}pat-hf/assessment/form",
    f"{P}pat-hf/contacts/com-intake/correct",
    f"{P}pat-hf/tasks/task-edu/correct",
    f"{P}pat-hf/templates/cm-copd-discharge?start=2026-03-06",
    f"{P}pat-hf/print",
    f"{P}pat-hf/print?lang=es&size=large",
    f"{P}b06-pat",
    f"{P}nobody",
    "/chart/caseload",
    "/chart/caseload/tasks",
    "/chart/patients",
    "/chart/view",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async (rules) => { const found = await axe.run(document, {runOnly: rules});
    return found.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html).slice(0, 3)]) }"""


@pytest.fixture(scope="session")
def axe(from_npm):
    script = from_npm(f"axe-core@{VERSION}") / "node_modules" / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(browser, axe):
    context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def found(page, axe):
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
    page.evaluate(axe)
    return page.evaluate(RUN, RULES)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_fault(page, site, axe, path):
    answer = page.goto(site + path)
    assert answer.status == (404 if path.endswith("/nobody") else 200)
    assert found(page, axe) == []


@pytest.mark.parametrize(("scheme", "width"), [(DARK, 900), (DARK, 1440), ("light", 320)])
def test_no_theme_or_width_has_one(browser, site, axe, scheme, width):
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in (PAGES[0], PAGES[4], PAGES[8], PAGES[16], "/chart/caseload"):
        page.goto(site + path)
        assert (path, found(page, axe)) == (path, [])
    context.close()


def test_the_chosen_high_contrast_and_spanish_have_none(browser, site, axe):
    context = browser.new_context(bypass_csp=True)
    context.add_cookies(
        [{"name": "fhirplan_view", "value": f"{ES}|{CONTRAST}|America/Chicago|on", "url": f"{site}/chart"}]
    )
    page = context.new_page()
    for path in (PAGES[0], PAGES[4], PAGES[8]):
        page.goto(site + path)
        assert page.evaluate("document.documentElement.lang") == "es"
        assert page.evaluate("document.documentElement.dataset.theme") == "contrast"
        assert (path, found(page, axe)) == (path, [])
    context.close()


def test_a_refused_form_and_a_saved_one_have_none(page, site, axe):
    page.goto(f"{site}{P}pat-hf/goals/new")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector(".summary")
    assert page.evaluate("document.activeElement.className").startswith("summary")
    assert found(page, axe) == []
    page.goto(f"{site}{P}pat-hf/needs?said=resolved")
    assert found(page, axe) == []
