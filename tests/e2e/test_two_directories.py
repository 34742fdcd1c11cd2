"""Two directories, each with its Dag and its API, side by side under one scheduler and in one warehouse.

The connection of one comes from the environment, that of the other from a secrets backend, a local file. A
webhook is told what happens by the README's lines without code, a mailbox by its line for the Dag file.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from starlette.responses import JSONResponse

from demo.local_airflow import CHECKOUT, DAG_ID, LocalAirflow, connection_to
from demo.warehouse import reading, warehouse_path
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.receivers import WEBHOOK_SECRET, Mailbox, Webhook, told_by_mail, told_without_code

PARTNERS = "partners_sync"


@dataclass(frozen=True, kw_only=True)
class Apis:
    """The two APIs."""

    ours: SandboxServer
    partners: SandboxServer


@pytest.fixture(scope="module")
def apis() -> Iterator[Apis]:
    with SandboxServer(Settings(entries=700)) as ours, SandboxServer(Settings(entries=300)) as partners:
        yield Apis(ours=ours, partners=partners)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with Webhook() as hook:
        yield hook


@pytest.fixture(scope="module")
def airflow(
    apis: Apis, mailbox: Mailbox, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(CHECKOUT / "dags", dags)
    example = (CHECKOUT / "docs" / "examples" / "partners_dag.py").read_text(encoding="utf-8")
    (dags / "partners_dag.py").write_text(told_by_mail(example))
    ours, partners = apis.ours, apis.partners
    secrets = home / "secrets.json"
    secrets.write_text(json.dumps({"partners_api": connection_to(partners)}))
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW_CONN_DIRECTORY_API": json.dumps(connection_to(ours)),
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(secrets)}),
        "AIRFLOW_CONN_SMTP_DEFAULT": mailbox.connection,
        "DIRECTORY_SYNC_DEADLINE_MINUTES": "0.1",
        **told_without_code(webhook.url),
    }
    with LocalAirflow(home, environment=environment) as airflow:
        yield airflow


def test_both_are_complete_in_schemas_of_their_own(airflow: LocalAirflow) -> None:
    """Both run at once, for their last ticks are due: the warehouse is one file, so one waits."""
    runs = {
        DAG_ID: airflow.begin_run().run_id,
        PARTNERS: airflow.api.trigger(PARTNERS).run_id,
    }
    for dag_id, run_id in runs.items():
        assert airflow.api.wait(dag_id, run_id, seconds=240).state == "success"
    with reading(warehouse_path(airflow.home)) as database:
        counts = [
            database.execute(
                f"SELECT count(*), count(DISTINCT id) FROM {schema}.directory_resource"
            ).fetchone()
            for schema in ("directory", "partners")
        ]
    assert counts == [(700, 700), (300, 300)]


def test_each_has_an_asset_and_a_landing_folder_of_its_own(airflow: LocalAirflow) -> None:
    entries = {
        dag_id: [
            event["entries"] for event in airflow.api.asset_events(dag_id, airflow.api.runs(dag_id)[0].run_id)
        ]
        for dag_id in (DAG_ID, PARTNERS)
    }
    assert entries == {DAG_ID: [700], PARTNERS: [300]}
    landing = airflow.home / "directory_sync" / "landing"
    assert {path.name for path in landing.iterdir()} == {"directory_resource", "dataset=partners"}


@contextmanager
def refusing(api: SandboxServer) -> Iterator[None]:
    """Answers each page with 403."""
    router = api._server.config.app.router
    route = next(r for r in router.routes if getattr(r, "path", "") == "/v1/directory")
    usual, route.app = route.app, JSONResponse({"error": "forbidden"}, 403)
    try:
        yield
    finally:
        route.app = usual


def until(webhook: Webhook, *titles: str, run_id: str) -> list[str]:
    """The messages about a run with these titles, as soon as all were posted."""
    deadline = time.monotonic() + 150
    while True:
        found = {one["title"]: one["message"] for one in webhook.posted if run_id in one["message"]}
        if found.keys() >= set(titles):
            return [found[title] for title in titles]
        assert time.monotonic() < deadline, f"of {titles} only {list(found)} were posted"
        time.sleep(0.3)


def test_each_tells_what_it_published(airflow: LocalAirflow, mailbox: Mailbox, webhook: Webhook) -> None:
    told = "{}: directory_resource: {} joined, 0 left, 0 changed"
    assert {told.format(DAG_ID, 700), told.format(PARTNERS, 300)} <= set(webhook.titles)
    assert told.format(PARTNERS, 300) in mailbox.subjects
    assert not [subject for subject in mailbox.subjects if not subject.startswith(f"{PARTNERS}: ")]


def test_a_failed_run_tells_once_and_the_next_that_it_is_over_what_waits_what_is_late_and_the_answer(
    airflow: LocalAirflow, apis: Apis, webhook: Webhook
) -> None:
    with refusing(apis.ours):
        failed = airflow.api.wait(DAG_ID, airflow.api.trigger(DAG_ID).run_id, seconds=150)
    assert failed.state == "failed"
    [cause] = [one["message"] for one in webhook.posted if one["title"].endswith("directory_resource failed")]
    assert cause.startswith("AuthError: ")
    assert f"{airflow.url}/dags/{DAG_ID}/runs/" in cause

    apis.ours.directory.edit(3, 2, remove=200, seed=1)
    run = airflow.api.trigger(DAG_ID)
    airflow.wait_for_questions(run, seconds=150)
    subject = f"{DAG_ID}: directory_resource"
    waits, over, digest, late = until(
        webhook,
        f"{subject}: 200 removals wait for an answer",
        f"{subject} is published again",
        f"{subject}: 3 joined, 0 left, 2 changed",
        f"{DAG_ID}: a run is late",
        run_id=run.run_id,
    )
    assert "Remove 200 of 703 entries from directory_resource?" in waits
    assert re.search(r"Answer until \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", waits)
    assert waits.endswith("/tasks/approve_removals/required_actions")
    assert "Runs that failed before: 1." in over
    assert "200 held" in digest
    assert "It has not ended 0.1 minutes after it was queued; it is running." in late

    airflow.api.answer(DAG_ID, run.run_id, "approve_removals", "Reject", reason="a permission was lost")
    assert airflow.api.wait(DAG_ID, run.run_id, seconds=150).state == "success"
    rejected = f"{subject}: the removal of 200 entries was rejected; nothing was removed"
    [answered] = until(webhook, rejected, run_id=run.run_id)
    assert "By: admin" in answered
    assert "Reason: a permission was lost" in answered


def test_a_mailbox_that_is_down_fails_nothing_and_no_log_holds_the_webhooks_password(
    airflow: LocalAirflow, apis: Apis, mailbox: Mailbox, webhook: Webhook
) -> None:
    mailbox.stop()
    apis.partners.directory.edit(1, 2, remove=0, seed=1)
    run = airflow.api.wait(PARTNERS, airflow.api.trigger(PARTNERS).run_id, seconds=150)
    assert run.state == "success"
    until(webhook, f"{PARTNERS}: directory_resource: 1 joined, 0 left, 2 changed", run_id=run.run_id)
    [line] = [one for one in airflow.api.log(PARTNERS, run.run_id, "publish") if "was not sent" in one.text]
    assert line.level == "error"
    assert "The notification `digest` was not sent by SmtpNotifier: ConnectionRefusedError" in line.text
    logs = [path for path in airflow.logs.rglob("*") if path.is_file()]
    assert any("executor_callbacks" in str(path) for path in logs)
    assert not [path for path in logs if WEBHOOK_SECRET in path.read_text(errors="replace")]
