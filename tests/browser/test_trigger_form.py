"""The trigger form: what it asks in words, what it refuses, and what a run from it says."""

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from demo.local_airflow import DAG_ID

LIMITS = "Limits for removals in this run"


@pytest.fixture
def page(page_of, published) -> Page:
    return page_of("admin")


@pytest.fixture
def form(page) -> Locator:
    page.goto(f"/dags/{DAG_ID}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Mode")).to_be_attached()
    return form


def test_the_modes_are_sentences(page, form):
    form.get_by_label("Mode").click()
    for words in (
        "Sync: read the directory, check it, publish the difference",
        "Dry run: the report of what a sync would change; nothing is published",
        "Decide: ask again about the removals that wait; the directory is not read",
    ):
        expect(page.get_by_role("option", name=words)).to_be_visible()
    page.keyboard.press("Escape")


def test_the_limits_have_a_section_and_each_field_a_description(page, form, picture):
    expect(form.get_by_text("The run's note shows it")).to_be_visible()
    picture(page, "trigger")
    form.get_by_role("button", name=LIMITS).click()
    for label in ("At most this share", "At most this many entries"):
        group = form.get_by_role("group").filter(has=page.get_by_text(label))
        expect(group.first).to_contain_text("all removals wait for a decision")


def test_a_share_above_one_is_refused_in_words_and_not_made_one(page, form, airflow):
    """5 is meant as 5 %: taken for all, it would lift the limit."""
    runs = len(airflow.api.runs(DAG_ID))
    form.get_by_role("button", name=LIMITS).click()
    share = form.get_by_label("At most this share")
    share.fill("5")
    share.press("Tab")
    expect(share).to_have_value("5")
    with page.expect_response(
        lambda got: got.request.method == "POST" and got.url.endswith("/dagRuns")
    ) as got:
        form.get_by_role("button", name="Trigger", exact=True).click()
    assert got.value.status in (400, 422)
    expect(page.get_by_text("is greater than or equal to the maximum").first).to_be_visible()
    assert len(airflow.api.runs(DAG_ID)) == runs


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_removed_share": 1.5},
        {"max_removed_share": "5 %"},
        {"max_removed_count": -1},
        {"max_removed_count": 2.5},
        {"mode": "destroy"},
        {"reason": "x" * 501},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_value_is_refused_before_anything_runs(airflow, wrong):
    runs = len(airflow.api.runs(DAG_ID))
    answer = requests.post(
        f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns",
        json={"logical_date": None, "conf": wrong},
        headers={"Authorization": f"Bearer {airflow.token('admin')}"},
        timeout=60,
    )
    assert answer.status_code in (400, 422)
    assert len(airflow.api.runs(DAG_ID)) == runs


def test_a_dry_run_from_the_form_says_so_and_why_in_its_note(page, form, airflow):
    form.get_by_label("Mode").click()
    page.get_by_role("option", name="Dry run: ").click()
    form.locator("[name=element_reason]").fill("Looking before the night")
    with page.expect_response(
        lambda got: got.request.method == "POST" and got.url.endswith("/dagRuns")
    ) as got:
        form.get_by_role("button", name="Trigger", exact=True).click()
    run = airflow.api.wait(DAG_ID, got.value.json()["dag_run_id"], seconds=300)
    assert run.state == "success"
    page.goto(f"/dags/{DAG_ID}/runs/{run.run_id}")
    expect(page.get_by_text("Dry run, nothing was published.").first).to_be_visible()
    assert "Looking before the night" in run.note
