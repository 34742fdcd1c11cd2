"""What is logged of a run that is late."""

from pathlib import Path

import structlog
from airflow.sdk import SyncCallback
from airflow.sdk.execution_time.callback_supervisor import execute_callback

from directory_sync.airflow.deadline import alerts
from directory_sync.config.settings import SyncSettings

CONTEXT = {
    "dag_run": {"dag_id": "directory_sync", "dag_run_id": "scheduled__2026-11-01", "state": "running"},
    "deadline": {"id": "1", "deadline_time": "2026-11-02T04:00:00Z"},
}


def test_airflow_calls_what_the_alert_names_and_it_logs_the_run_and_the_runbook(caplog):
    [alert] = alerts(SyncSettings(home=Path("/home"), deadline_minutes=90))["deadline"]
    sent = alert.callback.serialize()
    kwargs = {**sent["kwargs"], "context": CONTEXT}
    assert execute_callback(sent["path"], kwargs, "", None, structlog.get_logger()) == (True, None)
    [record] = [record for record in caplog.records if record.name == "directory_sync.airflow.deadline"]
    assert record.levelname == "ERROR"
    assert "Run scheduled__2026-11-01 of directory_sync has not ended 90 minutes after" in record.message
    assert "docs/runbook.md#the-nights-sync-is-late" in record.message


def test_another_callback_may_stand_in_its_place():
    page = SyncCallback("our.alerts.page", {"text": "late"})
    [alert] = alerts(SyncSettings(home=Path("/home"), deadline_minutes=1), page)["deadline"]
    assert alert.callback == page
