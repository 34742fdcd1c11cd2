"""The page where Airflow lends plugins less: 3.1.0 lends React alone, 3.1.8 its router too; 3.2 all."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import Answers, a_report, nights

HIDE = """
for (const name of %s)
  Object.defineProperty(globalThis, name, { get: () => undefined, set() {} });
"""
LENDS = {"3.1.0": ["ChakraUI", "ReactRouterDOM"], "3.1.8": ["ChakraUI"]}
KNOWN = {"class", "role", "title", "href", "scope", "tabindex", "type", "value", "style", "datetime"}
FOREIGN_ATTRIBUTES = """
() => [...document.querySelectorAll("[data-testid=headline]")[0].closest("div[class*=directory-sync]")
  .parentElement.parentElement.querySelectorAll("*:not(svg *):not(svg)")]
  .flatMap((element) => element.getAttributeNames())
"""
TOO_WIDE = """
() => [...document.querySelectorAll("[class*=directory-sync]")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .filter((element) => !element.closest("[role=region]"))
  .map((element) => element.outerHTML.slice(0, 120))
"""


@pytest.fixture(params=LENDS)
def page(request, page_of) -> Page:
    """A page that is lent less, over made-up answers."""
    page = page_of("vera")
    page.add_init_script(HIDE % LENDS[request.param])
    answers = held()
    answers.serve(page)
    return page


def held() -> Answers:
    answers = nights(5)
    at = datetime.now(UTC) - timedelta(hours=3)
    answers.publish(a_report(5, at, 99_000, held=1240, newly_held=1240))
    answers.ask("night-5", "1,240 of 100,000 entries vanished.")
    return answers


def test_the_page_looks_and_works_as_elsewhere(page):
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_have_text("Waits for you: 1,240 of 100,000 entries vanished.")
    expect(page.get_by_text("The warehouse holds all 99,000 entries, read 3 hours ago.")).to_be_visible()
    # What is no attribute of HTML is a property of Chakra UI that nobody turned into a style.
    names = {name for name in page.evaluate(FOREIGN_ATTRIBUTES) if not name.startswith(("aria-", "data-"))}
    assert {"class", "href"} <= names <= KNOWN
    box = page.locator("dl > div").filter(has=page.get_by_text("Held removals", exact=True))
    expect(box).to_have_css("border-top-style", "solid")
    expect(box).not_to_have_css("border-top-color", box.evaluate("e => getComputedStyle(e).color"))
    expect(page.locator("dl")).to_have_css("display", "grid")
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(TOO_WIDE) == []
    page.get_by_role("button", name="Last 90").click()
    expect(page).to_have_url(re.compile(r"/plugin/directory\?range=90$"))
    expect(page.get_by_role("button", name="Last 90")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Decide").click()
    expect(page).to_have_url(re.compile("/runs/night-5/tasks/approve_removals/required_actions$"))
