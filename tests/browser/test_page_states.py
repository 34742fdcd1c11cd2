"""The page "Directory" in states nobody can wait for: Airflow's answers are made up, all else is real."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from directory_sync.airflow.display import DirectoryLink
from directory_sync.audit.report import Finding
from tests.browser.answers import DAG, DRIFT, RESOURCE, Answers, a_report, a_run, a_task, nights

PARTNERS = "partners_sync"
COUNTS = {
    (DAG, RESOURCE): 101,
    (DAG, "departments"): 202,
    (PARTNERS, RESOURCE): 303,
    (PARTNERS, "departments"): 404,
}

TOO_WIDE = """
  [...document.querySelectorAll("#root *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .filter((element) => !element.closest("[role=region]"))
    .map((element) => element.outerHTML.slice(0, 120))
"""
RATIO = """
([over, under]) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [luminance(over), luminance(under)].sort((one, other) => other - one);
  return (high + 0.05) / (low + 0.05);
}
"""


GROUND = """
(element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (!/[(, ]0\\)$/.test(color) && color !== "transparent") return color;
  }
  return "white";
}
"""
NAME = """
(({ ariaLabel, innerText }) => ariaLabel ?? innerText)(document.activeElement)
"""
GO = "(path) => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }"
"""Goes on within Airflow's interface, as its links and the browser's own buttons do."""


@pytest.fixture(scope="module")
def tab(window_of):
    """A page of Airflow that stays open from test to test, and what it complained of."""
    window = window_of("vera")
    page = window.open()
    page.goto("/plugin/elsewhere")
    page.wait_for_function("globalThis.ReactRouterDOM")
    return page, window.complaints


@pytest.fixture
def show(tab):
    """Opens the page "Directory" over made-up answers."""
    page, complaints = tab

    def show(answers: Answers, query: str = "", *, width: int = 1280, dark: bool = False) -> Page:
        page.evaluate(GO, "/plugin/elsewhere")
        expect(page.get_by_role("heading", name="Directory", exact=True)).to_have_count(0)
        page.unroute_all()
        answers.serve(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.evaluate(GO, f"/plugin/directory{query}")
        return page

    yield show
    said, complaints[:] = list(complaints), []
    assert said == []


def open_proof_and_time(page: Page) -> None:
    page.get_by_role("region", name="Proof and time").locator("summary").click()


def headline(page: Page):
    return expect(page.get_by_test_id("headline"))


def now() -> datetime:
    return datetime.now(UTC)


def detail(page: Page):
    return expect(page.get_by_test_id("headline").locator("xpath=.."))


def held(**given: object) -> Answers:
    answers = nights(3)
    answers.publish(a_report(3, now() - timedelta(hours=1), 99_000, held=1240, newly_held=1240, **given))
    return answers


def test_before_the_first_run_it_says_so_and_leads_to_the_dag(show):
    page = show(Answers())
    headline(page).to_have_text("Nothing is published yet. The next run is due in 20 hours.")
    page.get_by_role("link", name="Open the Dag").click()
    expect(page).to_have_url(re.compile("/dags/directory_sync"))


def test_without_a_dag_of_ours_it_says_what_to_look_for(show):
    expect(show(Answers(dags=())).get_by_text("You see no Dag that synchronises a directory")).to_be_visible()


def test_a_first_load_is_no_change(show):
    page = show(nights(1))
    headline(page).to_have_text("Complete: all 100,000 entries, read 4 hours ago.")
    expect(page.get_by_text("The first load: 100,000 entries added.")).to_be_visible()
    expect(page.get_by_text("The first load changes no field.")).to_be_visible()


def test_the_exact_time_stands_behind_the_relative_one_in_the_reader_s_zone(show):
    answers = nights(2)
    ended = datetime.fromisoformat(answers.runs[-1]["end_date"])
    shown = show(answers).locator("dl time").first
    expect(shown).to_have_text("4 hours ago")
    assert shown.get_attribute("datetime") == answers.runs[-1]["end_date"]
    hour = ended.astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m-%d %H:%M:%S")
    expect(shown).to_have_attribute("title", re.compile(f"^{hour}"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_thousand_nights_fit_any_window_and_mode(show, width, dark):
    page = show(nights(1000), "?range=all", width=width, dark=dark)
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuemax", "84")
    open_proof_and_time(page)
    expect(page.get_by_role("region", name="Stage", exact=True)).to_be_visible()
    assert page.evaluate(TOO_WIDE) == []
    for text in ("headline", "readout"):
        place = page.get_by_test_id(text)
        ink = place.evaluate("(e) => getComputedStyle(e).color")
        ground = place.evaluate(GROUND)
        assert page.evaluate(RATIO, [ink, ground]) >= 4.5, (text, ink, ground)
    assert page.evaluate("document.documentElement.className").split()[0] == ("dark" if dark else "light")


def test_all_nights_stand_in_the_table(show):
    page = show(nights(250), "?range=all")
    page.get_by_role("button", name="Table").click()
    rows = page.get_by_role("region", name="Runs as a table").get_by_role("row")
    expect(rows).to_have_count(251)
    expect(rows.last).to_contain_text("100,000")


def test_a_failed_run_names_its_task_and_what_is_still_there(show):
    answers = nights(4, hours_ago=28)
    answers.fail("night-4", now() - timedelta(hours=4))
    page = show(answers)
    headline(page).to_have_text("The run of 4 hours ago failed in `audit`.")
    detail(page).to_contain_text("The warehouse holds all ")
    detail(page).to_contain_text("read 28 hours ago.")
    log = page.get_by_role("link", name="Open its log")
    expect(log).to_have_attribute("href", "/dags/directory_sync/runs/night-4/tasks/audit")
    expect(page.get_by_test_id("readout")).to_contain_text("failed, nothing published")


def test_a_first_run_that_failed_leads_to_its_log(show):
    answers = Answers()
    answers.fail("night-0", now() - timedelta(hours=2))
    page = show(answers)
    headline(page).to_have_text("The run of 2 hours ago failed in `audit`.")
    detail(page).to_contain_text("Nothing is published yet.")
    expect(page.get_by_role("link", name="Open its log")).to_be_visible()


def test_older_than_one_and_a_half_intervals_is_out_of_date(show):
    headline(show(nights(3, hours_ago=35))).to_contain_text("Complete:")
    headline(show(nights(3, hours_ago=37))).to_contain_text("Out of date:")


def test_without_a_schedule_nothing_is_late(show):
    answers = nights(3, hours_ago=400)
    answers.dag = {
        "timetable_periodic": False,
        "next_dagrun_data_interval_start": None,
        "next_dagrun_data_interval_end": None,
        "next_dagrun_run_after": None,
    }
    headline(show(answers)).to_contain_text("Complete:")


def test_a_walk_is_not_called_complete(show):
    answers = nights(2)
    answers.publish(a_report(2, now() - timedelta(hours=1), 99_000, proof="walk"))
    page = show(answers)
    headline(page).to_have_text("99,000 entries, read 60 minutes ago; it is not proven that these are all.")


def test_a_question_that_waits_is_one_click_away(show):
    answers = held()
    answers.ask("night-3", "Remove 1,240 entries?")
    page = show(answers)
    headline(page).to_have_text("Waits for you: Remove 1,240 entries?")
    link = page.get_by_role("link", name="Decide")
    expect(link).to_have_attribute(
        "href", "/dags/directory_sync/runs/night-3/tasks/approve_removals/required_actions"
    )


def test_held_removals_nobody_is_asked_about_are_told(show):
    page = show(held())
    expect(page.get_by_text("1,240 removals are held; nobody is asked at present.")).to_be_visible()
    expect(page.get_by_role("link", name="Open the Dag")).to_have_attribute("href", "/dags/directory_sync")


def states() -> Answers:
    """A night in each state at once."""
    answers = held()
    answers.runs[-1]["state"] = "running"
    answers.ask("night-3", "Remove 1,240 entries?")
    answers.fail("night-4", now() - timedelta(minutes=30), task="extract.directory_shard_0-2")
    for run_id, minutes, task_id, state in (
        ("again", 20, "audit", "up_for_retry"),
        ("reads", 10, "audit", "running"),
        ("blocked", 5, "audit", "scheduled"),
    ):
        at = now() - timedelta(minutes=minutes)
        answers.runs.append(a_run(run_id, at, state="running"))
        answers.tasks.append(a_task(task_id, run_id, at, 0, state=state))
    answers.slots["default_pool"] = 4
    cause = "The API answered 403. Nothing was published."
    answers.left |= {
        ("night-3", "approve_removals", "directory_question"): {"until": "2030-01-02T03:04:05+00:00"},
        ("night-4", "extract.directory_shard_0-2", "directory_cause"): cause,
        ("again", "audit", "directory_retry"): {
            "cause": "The API answered 503.",
            "try": 2,
            "tries": 4,
            "next_at": "2030-01-02T17:12:00+00:00",
            "until": None,
        },
    }
    return answers


def test_of_several_states_the_most_urgent_is_the_headline_and_the_others_are_notices(show):
    page = show(states())
    headline(page).to_have_text("Waits for you until 2 Jan, 04:04: Remove 1,240 entries?")
    detail(page).to_contain_text("The warehouse holds all 99,000 entries, read 60 minutes ago.")
    notices = page.get_by_role("list", name="What to look at").get_by_role("listitem")
    expect(notices).to_contain_text(
        [
            "The run of 30 minutes ago failed: The API answered 403.",
            "Retrying (2 of 4, next on 2 Jan, 18:12): The API answered 503.",
            "A run is on: it proves and compares what it read; it started 10 minutes ago.",
            "A run waits: all 4 slots of the pool `default_pool` are taken.",
        ]
    )
    expect(notices).to_have_count(4)


def test_who_may_not_read_what_tasks_left_sees_each_state_in_fewer_words(show):
    answers = states()
    answers.faults |= {"xcom": 403, "pools": 403, "decisions": 403}
    page = show(answers)
    headline(page).to_have_text("Waits for you: Remove 1,240 entries?")
    expect(
        page.get_by_text("The run of 30 minutes ago failed in `extract.directory_shard_0-2`.")
    ).to_be_visible()
    expect(page.get_by_text("Retrying: `audit` failed and is tried again.")).to_be_visible()


def test_a_rejection_is_told_until_nothing_is_held_any_more(show):
    answers = held()
    decision = {
        "choice": "rejected",
        "by": "anna",
        "at": "2026-01-02T03:04:05+00:00",
        "reason": "Rights lost",
    }
    answers.left[("night-3", "approve_removals", "directory_decision")] = decision
    answers.publish(a_report(4, now(), 99_010, held=1240))
    page = show(answers)
    headline(page).to_contain_text(
        "Rejected by anna on 2 Jan, 04:04 (“Rights lost”): 1,240 removals are held."
    )
    answers.publish(a_report(5, now(), 99_010))
    page.reload()
    headline(page).to_contain_text("Complete: all 99,010 entries")


def test_the_page_counts_what_the_directory_has_now(show):
    answers = nights(2)
    answers.publish(a_report(2, now(), 99_000))
    answers.events[-1]["extra"]["current"] = 99_012
    page = show(answers)
    headline(page).to_contain_text("Complete: all 99,012 entries")
    expect(page.locator("dl > div").first).to_contain_text("99,012")


def test_the_state_comes_first_on_a_narrow_screen(show):
    page = show(states(), width=390)
    headline(page).to_contain_text("Waits for you")
    bottom = page.get_by_role("link", name="Decide").bounding_box()
    assert bottom["y"] + bottom["height"] < 450
    assert page.evaluate(TOO_WIDE) == []


def test_a_decision_counts_for_its_run(show):
    answers = held()
    decided = a_report(3, now(), 97_760, mode="decide", sync_id="sync-3-decided", changes={"removed": 1240})
    answers.add_event(decided.summary(), "night-3", now())
    page = show(answers)
    headline(page).to_contain_text("Complete: all 97,760 entries")
    expect(page.get_by_text("1,240 removed.")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", "4")


def test_what_an_interval_run_fetched_is_no_count_of_the_directory(show):
    answers = nights(3)
    fetched = a_report(3, now(), 6, mode="interval", changes={"added": 4, "changed": 2})
    answers.add_event(fetched.summary(), "backfill", now())
    page = show(answers)
    headline(page).to_contain_text("Complete: all 99,982 entries")


def test_a_publication_told_twice_counts_once(show):
    answers = nights(2)
    again = {**answers.events[-1], "id": 99, "timestamp": now().isoformat()}
    added = again["extra"]["changes"]["added"]
    answers.events.append(again)
    expect(show(answers).get_by_test_id("readout")).to_contain_text(
        f"{added + again['extra']['changes']['returned']} added"
    )


def test_schema_drift_is_told_of_this_run_and_of_earlier_ones(show):
    answers = nights(2, hours_ago=50)
    for night, hours_ago in ((2, 26), (3, 2)):
        answers.publish(a_report(night, now() - timedelta(hours=hours_ago), 100_000, findings=(DRIFT,)))
    page = show(answers)
    expect(page.get_by_text(f"The schema drifted. {DRIFT.message}")).to_be_visible()
    section = page.get_by_role("region", name="Schema drift and findings")
    expect(section.get_by_text("schema drift", exact=True)).to_be_visible()
    expect(section).to_contain_text("Drift in the 3 runs before:")


def test_events_of_others_are_passed_over(show):
    answers = nights(2)
    for extra in (
        None,
        {},
        [],
        "text",
        {"rows": 3},
        {"resource": RESOURCE, "entries": "many", "changes": {}},
    ):
        answers.add_event(extra, "other", now())
    headline(show(answers)).to_contain_text("Complete: all")


def test_what_others_wrote_is_text_and_never_markup(show):
    markup = "<img src=x onerror=\"document.title='taken'\">"
    answers = nights(1)
    finding = Finding(rule="fields", level="warning", message=markup)
    answers.publish(
        a_report(1, now(), 5, findings=(finding,), changed_fields={markup: 2}, changes={"changed": 2})
    )
    answers.ask("night-1", markup)
    page = show(answers)
    expect(page.get_by_text(markup).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize(
    ("kind", "status", "sentence"),
    [
        ("dags", 401, "You are not logged in any more, so the Dags cannot be read."),
        ("assets", 500, "Airflow failed when asked for the assets (500). It is asked again."),
        ("events", 403, "You have no right to read the publications (asset events) in this Airflow (403)."),
        ("events", 0, "Airflow did not answer when asked for the publications (asset events)."),
        ("runs", 500, "Airflow failed when asked for the runs (500)."),
        ("tasks", 403, "You have no right to read the tasks in this Airflow (403)."),
        ("waiting", 503, "Airflow failed when asked for the open questions (503)."),
    ],
)
def test_a_request_that_fails_is_told_in_place(show, kind, status, sentence):
    answers = nights(3)
    answers.faults[kind] = status
    page = show(answers)
    expect(page.get_by_text(sentence)).to_be_visible()
    if kind not in ("dags", "events"):
        headline(page).to_contain_text("Complete:")


def test_it_asks_again_every_half_minute_and_shows_what_is_new(page_of):
    page, answers = page_of("vera"), nights(2)
    page.clock.install()
    answers.serve(page)
    page.goto("/plugin/directory")
    headline(page).to_contain_text("Complete:")
    answers.faults["events"] = 500
    page.clock.run_for(31_000)
    expect(page.get_by_text("Airflow failed when asked for the publications")).to_be_visible()
    headline(page).to_contain_text("Complete:")
    answers.faults.clear()
    answers.publish(a_report(2, now(), 123_456))
    page.clock.run_for(31_000)
    headline(page).to_contain_text("Complete: all 123,456 entries")
    expect(page.get_by_text("Airflow failed")).to_have_count(0)


def test_it_asks_often_while_a_run_is_on_but_not_while_that_waits_for_a_person(page_of):
    page, answers = page_of("vera"), nights(2)
    answers.runs.append(a_run("night-2", now(), state="running"))
    page.clock.install()
    answers.serve(page)
    page.goto("/plugin/directory")
    headline(page).to_have_text("A run is on: its tasks begin; it started just now.")
    answers.publish(a_report(2, now(), 123_456))
    page.clock.run_for(6_000)
    detail(page).to_contain_text("The warehouse holds all 123,456 entries")
    answers.ask("night-2", "Remove them?")
    page.clock.run_for(6_000)
    expect(page.get_by_role("link", name="Decide")).to_be_visible()
    before, began = answers.asked["runs"], page.evaluate("Date.now()")
    for _ in range(12):
        page.clock.run_for(5_100)
        page.wait_for_timeout(100)
    # The page's clock goes on by itself too, by as much as this machine is slow.
    half_minutes = (page.evaluate("Date.now()") - began) // 30_000
    assert half_minutes >= 2
    # The last at the quick pace, one as the pace changes, then one each half minute; else one at each step.
    # Each is two requests: for the latest runs, and for the failed ones.
    assert answers.asked["runs"] <= before + 2 * (2 + half_minutes) < before + 2 * 12


def test_a_page_nobody_sees_asks_nothing(page_of):
    page, answers = page_of("vera"), nights(2)
    page.clock.install()
    answers.serve(page)
    page.goto("/plugin/directory")
    headline(page).to_contain_text("Complete:")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(31_000)
    before = dict(answers.asked)
    page.clock.run_for(120_000)
    assert answers.asked == before
    with page.expect_request("**/assets/events*"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_the_selector_works_by_keys_and_is_kept_in_the_address(show):
    answers = nights(2)
    answers.resources = (RESOURCE, "departments")
    page = show(answers)
    selector = page.get_by_role("combobox", name="Directory")
    selector.focus()
    page.keyboard.press("ArrowDown")
    headline(page).to_contain_text("Nothing is published yet")
    expect(page).to_have_url(re.compile(r"\?dag=directory_sync&resource=departments$"))
    page.reload()
    expect(selector.locator("option:checked")).to_have_text("directory_sync · departments")


def test_every_control_is_reached_by_the_tab_key(show):
    answers = held(changed_fields={f"field_{n}": n for n in range(1, 20)}, findings=(DRIFT,))
    answers.ask("night-3", "Remove?")
    answers.resources = (RESOURCE, "departments")
    page = show(answers)
    open_proof_and_time(page)
    expect(page.get_by_role("region", name="Stage", exact=True)).to_be_visible()
    page.get_by_role("combobox", name="Directory").focus()
    reached = []
    for _ in range(12):
        reached.append(page.evaluate(NAME))
        page.keyboard.press("Tab")
    chart = "Runs: entries, and what changed. Arrow keys choose a run."
    assert reached == [
        *("Directory", "Decide", "Last 30", "Last 90", "All", "Table", chart, "Open the run"),
        *("Show all 19 fields", page.locator("summary").inner_text(), "Count", "Stage"),
    ]


def test_the_arrow_keys_go_from_run_to_run(show):
    page = show(nights(5))
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "1")
    expect(page.get_by_test_id("readout")).to_contain_text("100,000 entries, 100,000 added")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "2")
    assert slider.get_attribute("aria-valuetext") == page.get_by_test_id("readout").inner_text()


def test_a_pointer_that_rests_chooses_no_run_when_the_chart_moves_beneath_it(show):
    page = show(nights(5))
    slider = page.get_by_role("slider")
    width = slider.bounding_box()["width"]
    page.mouse.move(0, 0)
    slider.hover()
    expect(slider).to_have_attribute("aria-valuenow", "3")
    slider.press("Home")
    page.set_viewport_size({"width": 900, "height": 900})
    page.wait_for_function(f"document.querySelector('[role=slider]').getBoundingClientRect().width < {width}")
    page.wait_for_timeout(500)
    expect(slider).to_have_attribute("aria-valuenow", "1")
    page.mouse.move(0, 0)
    slider.hover()
    expect(slider).to_have_attribute("aria-valuenow", "3")


def test_the_range_is_kept_in_the_address(show):
    page = show(nights(100))
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", "30")
    page.get_by_role("button", name="Last 90").click()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", "90")
    page.reload()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", "90")


@pytest.fixture
def two_by_two() -> Answers:
    """Two directories of two resources, each with another count of entries, the runs of one Dag apart."""
    answers = Answers(
        dags=(DAG, PARTNERS), resources=(RESOURCE, "departments"), datasets={PARTNERS: "partners"}
    )
    for at, (dag, resource) in enumerate(COUNTS):
        report = a_report(
            at, now() - timedelta(hours=2), COUNTS[dag, resource], resource, changes={"added": at}
        )
        answers.publish(report, dag=dag)
    return answers


@pytest.mark.parametrize(("dag", "resource"), list(COUNTS))
def test_each_resource_of_each_directory_shows_its_own_publications(show, two_by_two, dag, resource):
    """The assets of a second directory begin with its dataset; its reports name the resource alone."""
    page = show(two_by_two, f"?{urlencode({'dag': dag, 'resource': resource})}")
    headline(page).to_have_text(f"Complete: all {COUNTS[dag, resource]} entries, read 2 hours ago.")
    selector = page.get_by_role("combobox", name="Directory")
    expect(selector.locator("option")).to_have_count(len(COUNTS))
    expect(selector.locator("option:checked")).to_have_text(f"{dag} · {resource}")


@pytest.mark.parametrize(("dag", "resource"), list(COUNTS))
def test_the_link_of_a_task_leads_to_its_own_directory_and_resource(show, two_by_two, dag, resource):
    link = DirectoryLink(resource=resource).get_link(SimpleNamespace(dag_id=dag), ti_key=None)
    page = show(two_by_two, link.removeprefix("/plugin/directory"))
    headline(page).to_contain_text(f"all {COUNTS[dag, resource]} entries")


def test_a_failed_run_of_one_directory_is_none_of_the_other(show, two_by_two):
    two_by_two.runs.append(a_run("broken", now(), state="failed", dag=PARTNERS))
    headline(show(two_by_two, f"?dag={DAG}")).to_contain_text("Complete:")
    headline(show(two_by_two, f"?dag={PARTNERS}")).to_contain_text("The run of")
