"""The page acts: a run begun by a button ends well, and the card Who names what the run found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pytest
import requests
from playwright.sync_api import Page, expect

from demo.airflow_api import DagRun
from demo.local_airflow import DAG_ID
from demo.warehouse import warehouse_path
from sandbox.directory import Edits
from tests.browser.conftest import Stack

RESOURCE = "directory_resource"
TO_A_RUNS_END = 300_000


@contextmanager
def labelled(stack: Stack) -> Iterator[None]:
    """The form names a field by which entries may be shown; each task reads the form again."""
    file = stack.airflow.home / "dags" / "directory_sync_dag.py"
    form = file.read_text()
    named = form.replace(
        '"name": "directory_resource",', '"name": "directory_resource", "label_field": "name",'
    )
    assert named != form
    file.write_text(named)
    try:
        yield
    finally:
        file.write_text(form)


def press(page: Page, button: str, *, confirm: str | None = None) -> str:
    """Presses a button that starts a run; returns the id of the run."""
    if confirm:
        page.get_by_role("button", name=button, exact=True).click()
    with page.expect_response(
        lambda got: got.request.method == "POST" and got.url.endswith("/dagRuns")
    ) as got:
        page.get_by_role("button", name=confirm or button, exact=True).click()
    return got.value.json()["dag_run_id"]


def query(stack: Stack, sql: str) -> list[tuple]:
    with duckdb.connect(str(warehouse_path(stack.airflow.home)), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


@dataclass(frozen=True, kw_only=True)
class Night:
    """A run that the button began, and the edits before it."""

    run: DagRun
    edits: Edits
    report: dict


@pytest.fixture(scope="module")
def night(published, window_of) -> Night:
    edits = published.sandbox.directory.edit(add=12, change=3, remove=1, seed=5)
    page = window_of("admin").open()
    with labelled(published):
        page.goto("/plugin/directory")
        page.get_by_role("button", name="Run now").click()
        page.get_by_role("button", name="Cancel").click()
        run_id = press(page, "Run now", confirm="Yes, run now")
        started = page.get_by_label("The run you started")
        expect(started).to_contain_text("The run has ended.", timeout=TO_A_RUNS_END)
    page.context.close()
    run = published.api.run(DAG_ID, run_id)
    assert run.state == "success", run.note
    return Night(run=run, edits=edits, report=published.report(run))


def ask(stack: Stack, path: str, *, user: str | None = "vera", **query: str) -> requests.Response:
    cookies = {"_token": stack.token(user)} if user else {}
    url = f"{stack.url}/directory-sync/dags/{path}"
    return requests.get(url, params=query, cookies=cookies, timeout=60)


def ask_who(stack: Stack, night: Night, dag_id: str = DAG_ID, **given: str) -> requests.Response:
    wanted = {
        "resource": RESOURCE,
        "run_id": night.run.run_id,
        "sync_id": night.report["sync_id"],
        "user": "vera",
    }
    return ask(stack, f"{dag_id}/who.json", **(wanted | given))


def test_the_card_names_who_joined_left_and_changed(page_of, airflow, night):
    page = page_of("vera")
    page.goto("/plugin/directory")
    card = page.get_by_role("region", name="Who", exact=True)
    names = dict(query(airflow, f"SELECT id, name FROM directory.{RESOURCE}"))
    for group, ids in {"joined": night.edits.added, "left": night.edits.removed}.items():
        part = card.get_by_role("group", name=f"Who {group}")
        expect(part).to_contain_text(f"{len(ids)} {group}")
        for id_ in ids[:10]:
            expect(part.get_by_role("listitem").filter(has_text=str(id_))).to_contain_text(names[id_])
    expect(card.get_by_role("group", name="Who joined")).to_contain_text("and 2 more")


def test_old_and_new_are_one_click_away(page_of, airflow, night):
    page = page_of("vera")
    page.goto("/plugin/directory")
    part = page.get_by_role("group", name="Who changed")
    who = ask_who(airflow, night).json()["who"]
    assert [int(item["id"]) for item in who["changed"]] == night.edits.changed
    [item, *_] = who["changed"]
    entry = part.get_by_role("listitem").filter(has_text=item["id"]).first
    expect(entry.get_by_text(item["fields"][0]["path"], exact=True)).not_to_be_visible()
    entry.locator("summary").click()
    for one in item["fields"]:
        shown = entry.get_by_role("listitem").filter(has_text=one["path"]).first
        expect(shown).to_contain_text(f"{one['old'] or '–'} → {one['new'] or '–'}")


def test_the_sql_runs_as_it_is_copied(page_of, airflow, night):
    page = page_of("vera")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/plugin/directory")
    found = {}
    for group in ("joined", "left", "changed"):
        part = page.get_by_role("group", name=f"Who {group}")
        part.locator("summary").last.click()
        part.get_by_role("button", name="Copy").click()
        expect(part.get_by_role("button", name="Copied")).to_be_visible()
        found[group] = query(airflow, page.evaluate("navigator.clipboard.readText()"))
    ids = {group: sorted({int(row[0]) for row in rows}) for group, rows in found.items()}
    edits = night.edits
    assert ids == {"joined": edits.added, "left": edits.removed, "changed": edits.changed}
    everything = page.get_by_label("SQL: all changes").inner_text()
    assert len(query(airflow, everything)) == 12 + 3 + 1


def test_a_release_without_a_label_field_shows_ids_alone(page_of, airflow, night):
    first = next(run for run in airflow.api.runs(DAG_ID) if run.run_id != night.run.run_id)
    page = page_of("vera")
    page.goto(f"/dags/{DAG_ID}/runs/{first.run_id}/plugin/directory-run")
    card = page.get_by_role("region", name="Who", exact=True)
    expect(card).to_contain_text("Names and values are shown where the form names a label_field")
    named = {name for (name,) in query(airflow, f"SELECT name FROM directory.{RESOURCE}")}
    shown = set(card.get_by_role("listitem").all_inner_texts())
    assert shown
    assert not shown & named


def test_a_dry_run_begun_by_the_button_ends_and_publishes_nothing(page_of, airflow, night):
    before = query(airflow, "SELECT count(*) FROM directory.directory_syncs")
    airflow.sandbox.directory.edit(add=1, seed=6)
    page = page_of("admin")
    page.goto("/plugin/directory")
    run_id = press(page, "Dry run")
    started = page.get_by_label("The run you started")
    expect(started).to_contain_text("The dry run has ended.", timeout=TO_A_RUNS_END)
    assert airflow.api.run(DAG_ID, run_id).state == "success"
    assert query(airflow, "SELECT count(*) FROM directory.directory_syncs") == before
    started.get_by_role("link", name="Open its report").click()
    expect(page.get_by_role("group", name="Who joined")).to_contain_text("1 joined")
    expect(page.get_by_text("SELECT")).to_have_count(0)


def test_who_may_only_look_sees_no_button_and_starts_nothing(page_of, airflow, night):
    page = page_of("vera")
    page.goto("/plugin/directory")
    expect(page.get_by_role("region", name="Who", exact=True)).to_contain_text("12 joined")
    for name in ("Run now", "Dry run", "Ask again"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    assert ask(airflow, f"{DAG_ID}/rights.json").json() == {"mayRun": False}
    assert ask(airflow, f"{DAG_ID}/rights.json", user="admin").json() == {"mayRun": True}
    answer = requests.post(
        f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns",
        json={"conf": {"mode": "sync"}, "logical_date": None},
        headers={"Authorization": f"Bearer {airflow.token('vera')}"},
        timeout=60,
    )
    assert answer.status_code == 403


def test_names_are_for_those_who_may_read_the_dag(airflow, night):
    assert ask(airflow, f"{DAG_ID}/who.json", user=None).status_code == 401
    assert ask(airflow, f"{DAG_ID}/rights.json", user=None).status_code == 401
    assert ask_who(airflow, night).json()["who"]["counts"] == {"joined": 12, "left": 1, "changed": 3}
    for dag_id in ("another_dag", "~", "%2e%2e"):
        assert ask_who(airflow, night, dag_id).status_code in (403, 404), dag_id
    assert ask_who(airflow, night, resource="another").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_id": "../.."},
        {"run_id": "/etc"},
        {"sync_id": "../20260301T020000-0123abcd"},
        {"sync_id": "/etc/passwd"},
        {"resource": "../directory_resource"},
    ],
    ids=str,
)
def test_no_name_leads_out_of_the_landing_zone(airflow, night, wrong):
    answer = ask_who(airflow, night, **wrong)
    assert answer.status_code == 404 or answer.json()["who"] is None


def test_where_the_landing_zone_is_not_seen_counts_and_sql_remain(page_of, airflow, night):
    landing = airflow.airflow.home / "directory_sync" / "landing"
    away = landing.rename(landing.with_name("elsewhere"))
    try:
        page = page_of("vera")
        page.goto("/plugin/directory")
        card = page.get_by_role("region", name="Who", exact=True)
        expect(card).to_contain_text("The API server of this Airflow does not see the landing zone")
        expect(card.get_by_role("group", name="Who joined")).to_contain_text("12 joined")
        card.get_by_text("SQL for all 12").click()
        expect(card.get_by_label("SQL: who joined")).to_be_visible()
    finally:
        away.rename(landing)


def test_proof_and_time_stand_in_one_line_that_opens(page_of, night):
    page = page_of("vera")
    page.goto("/plugin/directory")
    part = page.get_by_role("region", name="Proof and time")
    line = part.locator("summary")
    expect(line).to_contain_text(f"Proven complete: {night.report['windows']} windows")
    expect(line).to_contain_text("took")
    expect(part.get_by_role("region", name="Stage", exact=True)).not_to_be_visible()
    line.click()
    expect(part.get_by_role("region", name="Stage", exact=True)).to_contain_text("whole run")
