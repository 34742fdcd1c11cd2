"""The page "Directory" over two real runs: what it says is what they reported, to whoever may look."""

from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Page, expect

from demo.airflow_api import DagRun
from demo.local_airflow import CHECKOUT, DAG_ID

STATIC = CHECKOUT / "plugins" / "directory_sync" / "ui" / "static"
FILES = sorted(path.name for path in STATIC.iterdir())


@pytest.fixture(scope="session")
def second_run(airflow) -> DagRun:
    """A first load, and a run after some edits."""
    assert airflow.run().state == "success"
    airflow.sandbox.directory.edit(add=12, change=41, remove=3, seed=1)
    run = airflow.run()
    assert run.state == "success"
    return run


@pytest.fixture
def report(airflow, second_run) -> dict:
    return airflow.report(second_run)


def tile(page: Page, label: str) -> str:
    return page.locator("dl > div").filter(has=page.get_by_text(label, exact=True)).inner_text()


def row(page: Page, table: str, name: str) -> list[str]:
    """The cells of a row of a table."""
    rows = page.get_by_role("region", name=table, exact=True).get_by_role("row")
    found = rows.filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return found.get_by_role("cell").all_inner_texts()


def open_proof_and_time(page: Page) -> None:
    page.get_by_role("region", name="Proof and time").locator("summary").click()


def test_a_viewer_reads_what_the_last_run_reported(page_of, report):
    page = page_of("vera")
    page.goto("/plugin/directory")
    expect(page.get_by_test_id("headline")).to_contain_text(f"Complete: all {report['entries']:,} entries")
    expect(page.get_by_text("Since the run before: 12 added, 41 changed and 3 removed.")).to_be_visible()
    for label, count in {"Added": 12, "Changed": 41, "Removed": 3, "Held removals": 0}.items():
        assert tile(page, label).split("\n")[1] == str(count)
    open_proof_and_time(page)
    for name, key in {"windows": "windows", "joints": "joints", "requests": "requests"}.items():
        assert row(page, "Count", name)[0] == f"{report[key]:,}"
    fields = page.get_by_role("region", name="Changed fields, last run")
    for field, count in report["changed_fields"].items():
        expect(fields.get_by_role("listitem").filter(has_text=field).first).to_contain_text(str(count))
    expect(fields).to_contain_text(f"WHERE sync_id = '{report['sync_id']}'")


def test_each_stage_has_its_time_and_the_extraction_its_speed(page_of, second_run):
    page = page_of("vera")
    page.goto("/plugin/directory")
    open_proof_and_time(page)
    expect(page.get_by_role("region", name="Stage", exact=True)).to_contain_text("whole run")
    for stage in ("extract", "audit", "publish", "whole run"):
        last, usual, _ = row(page, "Stage", stage)
        assert last.endswith(" s"), stage
        assert usual.endswith(" s"), stage
    assert int(row(page, "Stage", "entries a second")[0].replace(",", "")) > 0


def test_the_tab_of_a_run_shows_that_run(page_of, airflow, second_run):
    first = next(run for run in airflow.api.runs(DAG_ID) if run.run_id != second_run.run_id)
    page = page_of("vera")
    page.goto(f"/dags/{DAG_ID}/runs/{quote(first.run_id, safe='')}/plugin/directory-run")
    expect(page.get_by_test_id("headline")).to_have_text("This run published 1,200 entries, complete.")
    expect(page.get_by_text("The first load: 1,200 entries added.")).to_be_visible()


def test_the_tab_of_the_dag_shows_its_directory(page_of, report):
    page = page_of("vera")
    page.goto(f"/dags/{DAG_ID}")
    page.get_by_role("link", name="Directory", exact=True).last.click()
    expect(page.get_by_test_id("headline")).to_contain_text(f"{report['entries']:,} entries")


def test_the_card_on_the_home_page_leads_to_the_page(page_of, report):
    page = page_of("vera")
    page.goto("/")
    card = page.get_by_role("region", name="Directory")
    card.get_by_role("link", name=f"Complete: all {report['entries']:,} entries").click()
    expect(page.get_by_role("heading", name="Directory", level=1)).to_be_visible()


def test_nobody_gets_anything_without_a_login(airflow):
    paths = [*FILES, "about.json", "", "docs", "redoc", "openapi.json", "nothing.js", "..%2fapp.py"]
    answers = {path: requests.get(f"{airflow.url}/directory-sync/{path}", timeout=60) for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 401)
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = requests.request(method, f"{airflow.url}/directory-sync/page.js", timeout=60)
        assert answer.status_code in (401, 405), method


def test_a_false_token_gets_no_file(airflow):
    for header in ({"Authorization": "Bearer made-up"}, {"Cookie": "_token=made-up"}):
        answer = requests.get(f"{airflow.url}/directory-sync/page.js", headers=header, timeout=60)
        assert answer.status_code in (401, 403)
        assert "Directory" not in answer.text


def test_a_file_is_kept_by_the_browser_but_asked_for_again(airflow):
    url, cookie = f"{airflow.url}/directory-sync/page.js", {"_token": airflow.token("vera")}
    first = requests.get(url, cookies=cookie, timeout=60)
    assert first.headers["Cache-Control"] == "private, no-cache"
    headers = {"If-None-Match": first.headers["ETag"]}
    assert requests.get(url, cookies=cookie, headers=headers, timeout=60).status_code == 304


def test_nothing_but_the_page_s_own_files_is_served(airflow):
    cookies = {"_token": airflow.token("vera")}
    for path in ("", "nothing.js", "..%2fapp.py", "%2e%2e/app.py", "%2fetc%2fpasswd"):
        answer = requests.get(f"{airflow.url}/directory-sync/{path}", cookies=cookies, timeout=60)
        assert answer.status_code == 404, path


def test_the_page_says_which_code_runs(page_of, airflow):
    page = page_of("vera")
    page.goto("/plugin/directory")
    place = CHECKOUT / "plugins" / "directory_sync"
    expect(page.get_by_label("This installation")).to_contain_text(
        f"from the folder {place}, with Airflow 3."
    )


def test_somebody_without_a_login_is_sent_to_log_in(page_of, airflow):
    page = page_of(None)
    page.goto("/plugin/directory")
    expect(page.get_by_label("Password")).to_be_visible()
