"""What stands in for the parts that an older Airflow lacks, tried in this one."""

import time
from datetime import timedelta
from types import SimpleNamespace

import dlt
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import set_current_context
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync import errors
from directory_sync.airflow import compat, retry
from directory_sync.airflow.failure import note_failure, telling
from directory_sync.airflow.retry import DirectoryRetryPolicy, Plan, note_plan
from directory_sync.airflow.telling import cause_of


def failing(error):
    def function():
        raise error

    return compat.guarded(function)


def failing_in_dlt(error, folder):
    """A task's function whose dlt pipeline fails, as the shard tasks' do."""

    def rows():
        raise error
        yield

    def function():
        pipeline = dlt.pipeline("guarded", destination="dummy", pipelines_dir=str(folder))
        pipeline.extract(dlt.resource(rows, name="rows"))

    return compat.guarded(function)


PERMANENT = sorted(errors.PermanentError.__subclasses__(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", PERMANENT)
def test_without_retry_policies_a_permanent_error_fails_the_task_at_once(kind):
    with pytest.raises(AirflowFailException, match=f"^{kind.__name__}: a retry would fail as well") as caught:
        failing(kind("what happened"))()
    assert isinstance(caught.value.__cause__, kind)


def test_without_retry_policies_a_permanent_error_that_dlt_wrapped_fails_at_once_too(tmp_path):
    with pytest.raises(AirflowFailException, match=r"^AuthError: ") as caught:
        failing_in_dlt(errors.AuthError("refused"), tmp_path)()
    assert isinstance(caught.value.__cause__, PipelineStepFailed)


def test_the_note_of_such_a_failure_is_the_error_s_own_message(tmp_path):
    with pytest.raises(AirflowFailException) as caught:
        failing_in_dlt(errors.AuthError("the API refused the client"), tmp_path)()
    told = {}

    class Task:
        task_id = "audit"

        def xcom_push(self, key, value):
            told[key] = value

    note_failure({"exception": caught.value, "ti": Task()})
    cause = "AuthError: the API refused the client"
    assert told == {"directory_note": f"**`audit` failed.** {cause}", "directory_cause": cause}


@pytest.mark.parametrize(
    "error", [errors.WarehouseError("held"), errors.SnapshotError("a gap"), ValueError("bug")]
)
def test_without_retry_policies_other_errors_are_left_to_airflow(error):
    with pytest.raises(type(error)) as caught:
        failing(error)()
    assert caught.value is error


def test_without_retry_policies_the_last_try_of_an_error_is_the_fourth():
    error = errors.SnapshotError("a gap")
    note_plan(error, Plan(number=5, tries=4))
    with pytest.raises(AirflowFailException):
        failing(error)()


def fourth_try(error, *, retries):
    """The fourth try of a task that always failed so, as an Airflow without retry policies runs it."""
    ti = SimpleNamespace(
        task_id="publish", try_number=4, max_tries=retries, task=SimpleNamespace(retries=retries)
    )

    def function():
        raise error

    with set_current_context({"ti": ti}), pytest.raises(AirflowFailException) as caught:
        compat.guarded(telling(function, DirectoryRetryPolicy()))()
    return caught.value


@pytest.mark.parametrize("retries", [3, 53])
def test_without_retry_policies_the_last_try_of_others_error_keeps_its_class(retries):
    error = ValueError("quotes an entry")
    raised = fourth_try(error, retries=retries)
    assert raised.__cause__ is error
    assert str(raised) == "ValueError: the last of 4 tries"
    assert retry.cause_of(raised) == "ValueError, see its log"
    assert cause_of(raised) == "ValueError: see the task's log."


def test_without_retry_policies_the_last_try_says_that_it_is_the_last_one():
    assert str(fourth_try(errors.SnapshotError("a gap"), retries=53)) == "SnapshotError: the last of 4 tries"


def test_without_retry_policies_a_task_waits_itself_as_long_as_the_api_asks(caplog):
    error = errors.ApiUnavailableError("later", retry_after_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(errors.ApiUnavailableError):
        failing(error)()
    assert time.monotonic() - began >= 0.3
    assert "asks to wait" in caplog.text


def test_a_guarded_function_keeps_the_arguments_that_airflow_looks_for():
    def publish(*, outlet_events=None):
        return outlet_events

    import inspect

    guarded = compat.guarded(publish)
    assert list(inspect.signature(guarded).parameters) == ["outlet_events"]
    assert guarded(outlet_events=7) == 7


def test_an_airflow_without_readers_of_lineage_has_no_collector(monkeypatch):
    monkeypatch.delattr("airflow.sdk.plugins_manager.get_hook_lineage_readers_plugins")
    assert compat.hook_lineage_collector() is None


def test_this_airflow_has_every_part():
    assert compat.absent() == ()


def test_a_dag_s_own_retry_policy_is_left_alone(dag):
    before = dag.get_task("audit").python_callable
    compat.guard_retries(dag)
    assert dag.get_task("audit").python_callable is before


def test_the_question_waits_as_long_as_the_deployment_says(dag):
    assert dag.get_task("approve_removals").response_timeout == timedelta(hours=20)


def test_the_form_of_the_question_has_its_own_fields_alone(dag):
    assert list(dag.get_task("approve_removals").serialized_params) == ["reason"]


def test_a_dag_without_a_deadline_gets_no_such_argument():
    assert compat.deadline(None, name="late", late=print) == {}
    assert DAG("none", schedule=None, **compat.deadline(None, name="late", late=print)).deadline is None
