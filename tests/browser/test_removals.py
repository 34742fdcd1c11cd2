"""More entries vanish than the limits allow: what each page says, who may answer, and what an answer does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
import requests
from playwright.sync_api import Page, expect

from demo.airflow_api import DagRun
from demo.local_airflow import DAG_ID
from demo.warehouse import warehouse_path
from tests.browser.conftest import Stack

GONE = 90
TASK = "approve_removals"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A run that asks, and the ids that vanished."""

    run: DagRun
    ids: set[int]

    @property
    def path(self) -> str:
        return question_path(self.run)


def question_path(run: DagRun) -> str:
    return f"/dags/{DAG_ID}/runs/{run.run_id}/tasks/{TASK}/required_actions"


def end(stack: Stack, run: DagRun) -> None:
    """No run waits any more: the next one could not begin."""
    if stack.api.questions(DAG_ID, run.run_id):
        stack.api.answer(DAG_ID, run.run_id, TASK, "Reject", reason=None)
    stack.api.wait(DAG_ID, run.run_id, seconds=300)


def present(stack: Stack) -> set[int]:
    with duckdb.connect(str(warehouse_path(stack.airflow.home)), read_only=True) as warehouse:
        table = "directory.directory_resource"
        return {
            id_ for (id_,) in warehouse.sql(f"SELECT id FROM {table} WHERE _removed_at IS NULL").fetchall()
        }


@pytest.fixture(scope="module")
def held(published) -> Iterator[Held]:
    directory = published.sandbox.directory
    edits = directory.edit(add=3, change=14, remove=GONE, seed=8)
    # Triggered: without values it could be the due night, which ended long ago.
    run = published.airflow.begin_run({"mode": "sync"})
    published.wait_for_question(run)
    yield Held(run=run, ids=set(edits.removed))
    end(published, run)
    directory.restore(edits.removed)


def open_question(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_text("Answer until")).to_be_visible()


def answer(page: Page, choice: str, reason: str) -> None:
    page.locator("[name=element_reason]").fill(reason)
    page.get_by_role("button", name=choice, exact=True).click()
    expect(page.get_by_role("status").filter(has_text="response successful")).to_be_visible()


def test_home_says_that_somebody_must_act_and_leads_to_the_question(page_of, held):
    page = page_of("admin")
    page.goto("/")
    card = page.get_by_test_id("stats-card").filter(has_text="Required Actions")
    expect(card.get_by_test_id("state-badge")).to_have_text("1")
    card.click()
    page.get_by_role("row").get_by_role("link", name=TASK).click()
    page.wait_for_url(lambda url: url.endswith("/required_actions"))
    expect(page.get_by_text(f"{GONE} entries")).to_be_visible()


def test_the_question_shows_what_a_decision_needs(page_of, airflow, held, picture):
    page = page_of("admin")
    open_question(page, held.path)
    population = len(present(airflow))
    expect(
        page.get_by_text(f"Remove {GONE} of {population:,} entries from directory_resource?")
    ).to_be_visible()
    expect(page.get_by_text(f"{GONE} entries ({GONE / population:.1%}) are absent")).to_be_visible()
    [question] = airflow.api.questions(DAG_ID, held.run.run_id)
    until = datetime.fromisoformat(
        airflow.api.xcom(DAG_ID, held.run.run_id, TASK, "directory_question")["until"]
    )
    expect(page.get_by_text(f"Answer until {until:%Y-%m-%d %H:%M} UTC")).to_be_visible()
    assert timedelta(hours=19) < until - datetime.now(UTC) < timedelta(hours=20)
    expect(page.get_by_text("The limits of one run are 500 entries and 5.0%.")).to_be_visible()
    expect(page.get_by_text(f"the newest first, listed {population - GONE:,}")).to_be_visible()
    # One population: no other count of entries stands in the question.
    counted = set(re.findall(r"of ([\d,]+) entries", question["subject"] + question["body"]))
    assert counted == {f"{population:,}"}
    first = sorted(held.ids)[:20]
    expect(page.get_by_text(", ".join(map(str, first)))).to_be_visible()
    expect(page.get_by_text("WHERE _missing_since IS NOT NULL AND _removed_at IS NULL")).to_be_visible()
    picture(page, "approval", left=330, top=68, height=800)


def test_the_buttons_are_in_sight_on_a_small_screen(page_of, held):
    page = page_of("admin")
    page.set_viewport_size({"width": 1280, "height": 800})
    open_question(page, held.path)
    for choice in ("Approve", "Reject"):
        expect(page.get_by_role("button", name=choice, exact=True)).to_be_in_viewport(ratio=1)


def test_who_may_only_look_cannot_answer(page_of, airflow, held):
    page = page_of("vera")
    open_question(page, held.path)
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="You do not have permission")).to_be_visible()
    task = f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns/{held.run.run_id}/taskInstances/{TASK}"
    refused = requests.patch(
        f"{task}/-1/hitlDetails",
        json={"chosen_options": ["Approve"], "params_input": {"reason": None}},
        headers={"Authorization": f"Bearer {airflow.token('vera')}"},
        timeout=60,
    )
    assert refused.status_code == 403
    assert airflow.api.questions(DAG_ID, held.run.run_id)


def test_the_page_directory_leads_from_held_removals_to_their_decision(page_of, held, picture):
    page = page_of("vera")
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_contain_text(f"Remove {GONE} of ")
    page.get_by_role("link", name="Decide").first.click()
    expect(page.get_by_text("Answer until")).to_be_visible()


def test_a_rejection_removes_nothing_and_the_note_says_why(page_of, airflow, held):
    before = present(airflow)
    page = page_of("admin")
    open_question(page, held.path)
    answer(page, "Reject", "A permission was lost")
    run = airflow.api.wait(DAG_ID, held.run.run_id, seconds=300)
    assert run.state == "success", run.note
    assert (
        f"the removal of {GONE} entries was rejected; nothing was removed (A permission was lost)" in run.note
    )
    assert present(airflow) == before >= held.ids
    page.goto(f"/dags/{DAG_ID}/runs/{run.run_id}")
    expect(page.get_by_text(f"{GONE} missing, {GONE} held").first).to_be_visible()


def test_the_button_asks_again_and_an_approval_removes_exactly_these(page_of, airflow, held):
    end(airflow, held.run)
    before = present(airflow)
    page = page_of("admin")
    page.goto("/plugin/directory")
    with page.expect_response(
        lambda got: got.request.method == "POST" and got.url.endswith("/dagRuns")
    ) as got:
        page.get_by_role("button", name="Ask again").click()
    run = airflow.api.run(DAG_ID, got.value.json()["dag_run_id"])
    try:
        airflow.wait_for_question(run)
        # Who is asked already is not offered to be asked again.
        expect(page.get_by_role("link", name="Decide").first).to_be_visible()
        expect(page.get_by_role("button", name="Ask again")).to_have_count(0)
        open_question(page, question_path(run))
        answer(page, "Approve", "The vendor confirmed it")
        run = airflow.api.wait(DAG_ID, run.run_id, seconds=300)
    finally:
        end(airflow, run)
    assert run.state == "success", run.note
    assert f"the removal of {GONE} entries was approved (The vendor confirmed it)" in run.note
    decision = airflow.api.xcom(DAG_ID, run.run_id, TASK, "directory_decision")
    assert (decision["choice"], decision["reason"]) == ("approved", "The vendor confirmed it")
    assert airflow.api.xcom(DAG_ID, run.run_id, "remove")["decision"] == decision
    with duckdb.connect(str(warehouse_path(airflow.airflow.home)), read_only=True) as warehouse:
        assert warehouse.sql(
            "SELECT decided_by, strftime(decided_at AT TIME ZONE 'UTC', '%Y-%m-%d'), decision_reason "
            "FROM directory.directory_syncs "
            f"WHERE run_id = '{run.run_id}'"
        ).fetchall() == [(decision["by"], decision["at"][:10], "The vendor confirmed it")]
    assert present(airflow) == before - held.ids
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_contain_text(f"Complete: all {len(before) - GONE:,} entries")
    expect(page.get_by_test_id("headline")).not_to_contain_text("held")
