"""The care-plan page in a real browser: at a desk's and a phone's width, by keyboard, in the dark, without script."""

import pytest

pytestmark = pytest.mark.browser
WIDTHS = [320, 390, 900, 1280, 1920]
PAGES = ["/chart/patients", "/chart/patients/pat-hf", "/chart/patients/b06-pat"]


@pytest.fixture
def opened(browser, site):
    """Opens a page of the site and gives it with what the browser complained of."""
    contexts = []

    def open_(path, width=1280, **more):
        context = browser.new_context(viewport={"width": width, "height": 844}, **more)
        contexts.append(context)
        page = context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if site not in request.url else None)
        assert page.goto(site + path).status == 200
        return page, complaints

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_makes_the_page_scroll_sideways(opened, path, width):
    page, complaints = opened(path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_legible_as_shown(opened, scheme):
    page, _ = opened("/chart/patients/pat-hf", color_scheme=scheme)
    colours = page.evaluate("() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] }")
    light, dark = sorted((sum(int(n) for n in c[4:-1].split(",")) for c in colours), reverse=True)
    assert light - dark > 500
    assert (colours[0] == "rgb(22, 32, 42)") == (scheme == "light")


def test_what_is_most_urgent_is_seen_without_scrolling(opened):
    page, _ = opened("/chart/patients/pat-hf", 390)
    box = page.locator(".state").bounding_box()
    assert box["y"] + box["height"] < 400
    assert "overdue since" in page.locator(".state").inner_text()


def test_everything_that_can_be_followed_is_reached_by_keyboard(opened):
    page, _ = opened("/chart/patients/pat-hf")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
    reached = set()
    for _ in range(140):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.tagName"))
    links = page.evaluate("[...document.querySelectorAll('main a, nav a')].map(a => a.getAttribute('href'))")
    assert set(links) <= reached
    assert "SUMMARY" in reached


def test_finished_tasks_unfold_without_script(opened):
    page, _ = opened("/chart/patients/pat-hf", java_script_enabled=False)
    finished = page.locator("details:has-text('Done and closed') li").first
    assert not finished.is_visible()
    page.locator("summary:has-text('Done and closed')").click()
    assert finished.is_visible()


def test_one_heading_names_the_page_and_every_picture_is_silent(opened):
    page, _ = opened("/chart/patients/pat-hf")
    assert page.locator("h1").count() == 1
    assert "Elena Marquez" in page.title()
    assert page.locator("svg:not([aria-hidden=true])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_patient_is_reached_from_the_list(opened):
    page, _ = opened("/chart/patients", 390)
    page.get_by_role("link", name="Elena Marquez").click()
    assert page.locator("h1").inner_text() == "Elena Marquez"
