"""What Airflow does about each error, wrapped as it arrives from a task."""

from datetime import timedelta

import dlt
import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync import errors

EXPECTED = {
    errors.ConfigError: RetryAction.FAIL,
    errors.AuthError: RetryAction.FAIL,
    errors.ApiError: RetryAction.FAIL,
    errors.EnvelopeError: RetryAction.FAIL,
    errors.DataError: RetryAction.FAIL,
    errors.RemovalsHeld: RetryAction.FAIL,
    errors.ApiUnavailableError: RetryAction.DEFAULT,
    errors.SnapshotError: RetryAction.DEFAULT,
    errors.WarehouseError: RetryAction.DEFAULT,
}
CLASSES = sorted(EXPECTED, key=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def policy(dag):
    return dag.get_task("audit").retry_policy


@pytest.fixture
def wrapped(tmp_path):
    """Answers with the exception that dlt raises where a resource raises the given one."""

    def wrap(error):
        def failing():
            raise error
            yield

        pipeline = dlt.pipeline("wrap", destination="dummy", pipelines_dir=str(tmp_path))
        with pytest.raises(PipelineStepFailed) as caught:
            pipeline.extract(dlt.resource(failing, name="failing"))
        assert caught.value is not error
        return caught.value

    return wrap


def leaves(kind):
    below = kind.__subclasses__()
    return {leaf for child in below for leaf in leaves(child)} if below else {kind}


def test_the_decision_for_every_error_class_stands_here():
    ours = {kind for kind in leaves(errors.DirectorySyncError) if kind.__module__ == errors.__name__}
    assert ours == set(EXPECTED)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_plain_error_is_decided_by_its_class(policy, kind):
    decision = policy.evaluate(kind("what happened"), 1, 3)
    assert decision.action == EXPECTED[kind]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_that_dlt_wrapped_is_decided_by_its_class(policy, wrapped, kind):
    decision = policy.evaluate(wrapped(kind("what happened")), 1, 3)
    assert decision.action == EXPECTED[kind]


def test_a_long_retry_after_is_the_delay(policy, wrapped):
    error = errors.ApiUnavailableError("later", retry_after_seconds=90.0)
    decision = policy.evaluate(wrapped(error), 1, 3)
    assert decision.action == RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=90)


def test_an_error_of_others_is_retried_as_the_task_says(policy, wrapped):
    assert policy.evaluate(wrapped(ValueError("a bug")), 1, 3).action == RetryAction.DEFAULT
