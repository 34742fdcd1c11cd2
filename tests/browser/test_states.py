"""Each state of a directory, reached for real under the scheduler: what the page and the card say of it.

One story over a few runs, told in the order of the tests: each begins where the one before it ended.
"""

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from demo.airflow_api import DagRun
from demo.local_airflow import DAG_ID
from tests.browser.conftest import Stack

GONE = 90
POOL = "default_pool"
APPROVAL = "approve_removals"
QUIET = {"latency_ms": 0.0, "error_rate": 0.0, "retry_after_seconds": None, "retry_after": "seconds"}
HEIGHT = 620


@pytest.fixture(scope="module")
def story(published) -> Iterator[dict[str, DagRun]]:
    """The runs of the story by their names; nothing of it is left to other tests."""
    runs: dict[str, DagRun] = {}
    # What tests before left behind, such as restored entries, is published.
    assert published.run(mode="sync").state == "success"
    yield runs
    published.sandbox.configure(**QUIET)
    set_slots(published, 128)
    for run in published.api.runs(DAG_ID):
        if not run.has_ended:
            mark_failed(published, run)
    assert published.run(mode="sync").state == "success"


@pytest.fixture
def show(page_of, picture) -> Callable[..., Page]:
    """Opens the page as somebody who may only look; expects what its headline says, and takes pictures."""

    def show(name: str, *said: str | re.Pattern[str], user: str = "vera") -> Page:
        page = page_of(user)
        page.goto("/plugin/directory")
        for text in said:
            expect(page.get_by_test_id("headline")).to_contain_text(text)
        picture(page, f"state-{name}", height=HEIGHT)
        picture(page, f"state-{name}-narrow", height=HEIGHT, width=390)
        return page

    return show


def set_slots(stack: Stack, slots: int) -> None:
    """Opens or closes the pool of all tasks."""
    stack.api.set_slots(POOL, slots)


def mark_failed(stack: Stack, run: DagRun) -> None:
    stack.api.end_unfinished_runs(DAG_ID)
    stack.api.wait(DAG_ID, run.run_id, seconds=60)


def begin(stack: Stack, **conf: object) -> DagRun:
    return stack.airflow.begin_run({"mode": "sync", **conf})


def wait_for(stack: Stack, run: DagRun, state: str) -> None:
    """Returns when a task of a run has a state."""
    deadline = time.monotonic() + 300
    while all(task.state != state for task in stack.api.task_runs(DAG_ID, run.run_id)):
        assert time.monotonic() < deadline, f"No task of {run.run_id} was {state}."
        time.sleep(0.3)


def tab(page: Page, run: DagRun) -> None:
    """Opens the tab of a run."""
    page.goto(f"/dags/{DAG_ID}/runs/{quote(run.run_id, safe='')}/plugin/directory-run")


def test_a_directory_whose_last_run_published_is_complete(show, story):
    show("complete", "Complete: all ", "read ")


def test_a_run_whose_pool_has_no_slot_waits_and_says_why(show, story, airflow):
    set_slots(airflow, 0)
    airflow.sandbox.configure(latency_ms=8_000)
    story["slow"] = begin(airflow)
    wait_for(airflow, story["slow"], "scheduled")
    show("a-run-waits", f"A run waits: the pool `{POOL}` has no slot.")


def test_a_run_that_reads_has_a_bar_for_each_shard_and_the_next_run_waits(show, story, airflow):
    set_slots(airflow, 128)
    wait_for(airflow, story["slow"], "running")
    story["outage"] = begin(airflow)
    # So small a directory needs one of the four shards.
    page = show("running", "A run is on: it reads the directory, 0 of 1 shard done;")
    bars = page.get_by_role("list", name="Shards").get_by_role("listitem")
    expect(bars).to_have_count(4)
    expect(bars.filter(has_text="not needed")).to_have_count(3)
    expect(page.get_by_text("A run waits: one run at a time (`max_active_runs`)")).to_be_visible()
    airflow.sandbox.configure(latency_ms=0)
    assert airflow.api.wait(DAG_ID, story["slow"].run_id, seconds=300).state == "success"


def test_a_run_that_meets_an_outage_says_what_it_tries_again_and_when(show, story, airflow):
    airflow.sandbox.configure(latency_ms=0, error_rate=1, error_status=503, retry_after_seconds=7_200)
    wait_for(airflow, story["outage"], "up_for_retry")
    # Two hours on it may be another day.
    page = show("retrying", re.compile(r"Retrying \(try 2, next (at|on \d+ \w+,) \d\d:\d\d, until "), "503")
    expect(page.get_by_role("link", name="Open its log")).to_have_count(1)
    mark_failed(airflow, story["outage"])


def test_a_failed_run_says_its_cause_once(show, story, airflow):
    airflow.sandbox.configure(error_status=403, retry_after="none", retry_after_seconds=None)
    story["failed"] = run = begin(airflow)
    assert airflow.api.wait(DAG_ID, run.run_id, seconds=300).state == "failed"
    page = show("failed", "The run of ", " failed: ", "403")
    cause = page.get_by_test_id("headline").inner_text().split(" failed: ")[1]
    expect(page.get_by_text(cause)).to_have_count(1)
    expect(page.get_by_text("The warehouse holds all ")).to_be_visible()
    expect(page.get_by_role("link", name="Open its log")).to_have_count(1)


def test_the_tab_of_the_failed_run_says_the_same(page_of, story, airflow, picture):
    page = page_of("vera")
    tab(page, story["failed"])
    expect(page.get_by_test_id("headline")).to_contain_text(" failed: ")
    picture(page, "state-tab-failed", height=HEIGHT)


def test_removals_over_the_limit_wait_for_you_and_the_failure_is_overtaken(show, story, airflow):
    airflow.sandbox.configure(**QUIET)
    edits = airflow.sandbox.directory.edit(add=3, change=14, remove=GONE, seed=14)
    story["asked"] = begin(airflow)
    airflow.wait_for_question(story["asked"])
    page = show("waits-for-you", "Waits for you until ", f"Remove {GONE} of ")
    expect(page.get_by_role("link", name="Decide")).to_have_count(1)
    expect(page.get_by_text(re.compile(r"^The run of .* failed"))).to_have_count(0)
    assert edits.removed


def test_the_card_names_the_resource_and_says_the_same(page_of, story, picture):
    page = page_of("vera", dark=True)
    page.goto("/")
    card = page.get_by_role("region", name="Directory")
    expect(card).to_contain_text("directory_resource")
    expect(card).to_contain_text("Waits for you until ")
    expect(card.get_by_role("link", name="Decide")).to_be_visible()
    card.scroll_into_view_if_needed()
    picture(page, "state-card", height=900)


def test_a_rejection_says_by_whom_when_and_why_and_when_you_are_asked_again(show, story, airflow):
    run = story["asked"]
    airflow.api.answer(DAG_ID, run.run_id, APPROVAL, "Reject", reason="A permission was lost")
    assert airflow.api.wait(DAG_ID, run.run_id, seconds=300).state == "success"
    said = ("Rejected by admin at ", "(“A permission was lost”)", f"{GONE} removals are held.")
    page = show("rejected", *said)
    expect(page.get_by_text("You are asked again at the first run after ")).to_be_visible()


def test_an_approved_removal_that_cannot_begin_is_pending_and_says_why(show, story, airflow):
    run = begin(airflow, mode="decide")
    airflow.wait_for_question(run)
    set_slots(airflow, 0)
    airflow.api.answer(DAG_ID, run.run_id, APPROVAL, "Approve", reason="The vendor confirmed it")
    wait_for(airflow, run, "scheduled")
    show(
        "removal-pending",
        "Approved by admin at ",
        "(“The vendor confirmed it”)",
        f"the removal is pending: the pool `{POOL}` has no slot.",
    )
    set_slots(airflow, 128)
    assert airflow.api.wait(DAG_ID, run.run_id, seconds=300).state == "success"


def test_a_carried_out_removal_leaves_the_directory_complete(show, story):
    page = show("complete-again", "Complete: all ")
    expect(page.get_by_text("held;")).to_have_count(0)


def test_the_tab_of_a_dry_run_says_what_a_sync_would_bring(page_of, story, airflow, picture):
    edits = airflow.sandbox.directory.edit(add=2, change=5, seed=15)
    run = begin(airflow, mode="dry_run")
    assert airflow.api.wait(DAG_ID, run.run_id, seconds=300).state == "success"
    page = page_of("vera")
    tab(page, run)
    said = expect(page.get_by_test_id("headline"))
    said.to_contain_text("A dry run: ")
    brings = f"{len(edits.added)} added and {len(edits.changed)} changed"
    said.to_contain_text(f"It published nothing; a sync would have brought {brings}.")
    columns = page.get_by_role("region", name="Columns that a sync would add")
    expect(columns).to_contain_text("None: the tables have a column for each field.")
    picture(page, "state-tab-dry-run", height=900)
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_contain_text("Complete: all ")
