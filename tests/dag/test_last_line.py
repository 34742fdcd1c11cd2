"""What Airflow's own task runner makes of a failed try: the end of its log, and what the server is asked."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import dlt
import pytest
import structlog
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    GetTaskStateStore,
    RetryTask,
    SetTaskStateStore,
    SetXCom,
    TaskState,
    TaskStateStoreResult,
)

from directory_sync import errors
from directory_sync.airflow.failure import default_args, tell_failures
from directory_sync.airflow.retry import HISTORY, DirectoryRetryPolicy
from directory_sync.config.dlt_provider import own_dlt

NOW = datetime.now(UTC)
SAID = "The API cannot be reached. Nothing was published. Airflow tries again; check it."


class Supervisor:
    """Stands for the process beside the task, which talks to the server."""

    def __init__(self):
        self.sent, self.kept = [], {}

    def send(self, msg):
        self.sent.append(msg)
        if isinstance(msg, SetTaskStateStore):
            self.kept[msg.key] = msg.value
        if isinstance(msg, GetTaskStateStore) and msg.key in self.kept:
            return TaskStateStoreResult(value=self.kept[msg.key])
        return None

    def of(self, kind):
        return [msg for msg in self.sent if isinstance(msg, kind)]

    @property
    def told(self):
        return {msg.key: msg.value for msg in self.of(SetXCom)}


@pytest.fixture
def supervisor(monkeypatch):
    fake = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", fake, raising=False)
    return fake


@pytest.fixture
def try_of(tmp_path, supervisor):
    """Runs one try of a task whose dlt pipeline raises an error; answers with the lines of its log."""

    def try_of(error, *, number=1):
        def rows():
            raise error
            yield

        def load():
            # As a shard's task does: dlt would ask Airflow for a Variable.
            with own_dlt():
                pipeline = dlt.pipeline("fails", destination="dummy", pipelines_dir=str(tmp_path))
                pipeline.extract(dlt.resource(rows, name="rows"))

        policy = DirectoryRetryPolicy(timedelta(hours=1))
        with DAG("fails", schedule=None, default_args=default_args(policy)) as dag:
            shard = PythonOperator(task_id="shard", python_callable=load)
        tell_failures(dag, policy)
        dates = dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "run_after"), NOW)
        run = DagRun(
            dag_id="fails",
            run_id="r",
            **dates,
            start_date=NOW,
            end_date=None,
            run_type="manual",
            state="running",
            consumed_asset_events=[],
            partition_key=None,
        )
        given = TIRunContext(dag_run=run, max_tries=shard.retries, should_retry=number <= shard.retries)
        ti = task_runner.RuntimeTaskInstance.model_construct(
            id=uuid4(),
            task_id="shard",
            dag_id="fails",
            run_id="r",
            try_number=number,
            map_index=-1,
            dag_version_id=uuid4(),
            task=shard,
            bundle_instance=SimpleNamespace(name="none"),
            max_tries=shard.retries,
            start_date=NOW,
            _ti_context_from_server=given,
        )
        ti._ti_context_from_server = given
        with structlog.testing.capture_logs() as lines:
            log = structlog.get_logger("task")
            context = ti.get_template_context()
            state, _, raised = task_runner.run(ti, context, log)
            context["exception"] = raised
            task_runner.finalize(ti, state, context, log, raised)
        return SimpleNamespace(state=state, lines=lines, raised=raised)

    return try_of


def last_lines(ended, caplog):
    return [record.getMessage() for record in caplog.records if record.name.endswith("airflow.failure")][-2:]


def test_a_permanent_error_fails_at_once_and_its_message_is_the_last_line_outside_of_all_groups(
    try_of, supervisor, caplog
):
    said = "The API refuses the client. Nothing was read. Check the connection."
    ended = try_of(errors.AuthError(said))
    assert ended.state == "failed"
    assert [msg.state for msg in supervisor.of(TaskState)] == ["failed"]
    # Airflow's page folds a group; the line stands behind the end of it.
    assert last_lines(ended, caplog) == ["::endgroup::", f"AuthError: {said}"]
    assert supervisor.told["directory_cause"] == f"AuthError: {said}"
    assert (type(ended.raised), ended.raised.__cause__, ended.raised.__context__) == (
        errors.AuthError,
        None,
        None,
    )


def test_an_outage_is_given_back_to_the_scheduler_with_its_wait(try_of, supervisor, caplog):
    ended = try_of(errors.ApiUnavailableError(SAID))
    assert ended.state == "up_for_retry"
    [asked] = supervisor.of(RetryTask)
    assert 30 <= asked.retry_delay_seconds <= 37.5
    told = supervisor.told["directory_retry"]
    assert (told["cause"], told["try"], told["tries"]) == (f"ApiUnavailableError: {SAID}", 2, None)
    kinds = [type(msg) for msg in supervisor.sent]
    assert kinds.index(SetXCom) < kinds.index(RetryTask)
    [_, last] = last_lines(ended, caplog)
    assert last.startswith(f"ApiUnavailableError: {SAID} Next: try 2 at ")


def test_an_outage_that_lasted_too_long_fails_and_promises_nothing(try_of, supervisor, caplog):
    since = (NOW - timedelta(hours=2)).isoformat()
    first = try_of(errors.ApiUnavailableError(SAID))
    supervisor.kept[HISTORY] = {**supervisor.kept[HISTORY], "since": since, "planned": 4}
    ended = try_of(errors.ApiUnavailableError(SAID), number=5)
    assert (first.state, ended.state) == ("up_for_retry", "failed")
    [_, last] = last_lines(ended, caplog)
    assert last == "ApiUnavailableError: The API cannot be reached. Nothing was published. Check it."
    assert str(ended.raised) in last
