"""The Airflow tasks: each body opens what it needs and makes one call into a stage.

Nothing here runs at parse but declarations.
"""

import atexit
import logging
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dlt
from airflow.sdk import Asset, Param, RetryDecision, RetryPolicy, TaskGroup, task
from airflow.sdk.exceptions import AirflowSkipException
from dlt.common.configuration.utils import get_resolved_traces
from dlt.helpers.airflow_helper import PipelineTasksGroup

from directory_sync.errors import (
    ApiUnavailableError,
    ConfigError,
    PermanentError,
    RemovalsHeld,
    find_error,
)
from directory_sync.extract import directory_source
from directory_sync.form import Resource
from directory_sync.landing import DATASET, LAYOUT, REPORT, LandedSnapshot, Landing
from directory_sync.report import AuditReport
from directory_sync.scope import TaskScope
from directory_sync.settings import LANDING_CONNECTION, SyncSettings

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from directory_sync.client import DirectoryClient

logger = logging.getLogger(__name__)

PARAMS = {
    "mode": Param(
        "sync",
        enum=["sync", "dry_run"],
        title="Mode",
        description="sync: read, check and publish. dry_run: the report, nothing published.",
    ),
    "max_removed_share": Param(
        None,
        type=["null", "number"],
        minimum=0,
        maximum=1,
        title="Removals at most (share)",
        description="For this run. Above it removals wait for a decision. Empty: the deployment's limit.",
    ),
    "max_removed_count": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        title="Removals at most (entries)",
        description="For this run. Above it removals wait for a decision. Empty: the deployment's limit.",
    ),
    "release_held": Param(
        default=False,
        type="boolean",
        title="Remove held entries",
        description="Entries that wait for a decision are removed too, as far as the limits cover them.",
    ),
}
"""The run parameters of the Dag."""


class DirectoryRetryPolicy(RetryPolicy):
    """Retries what a retry can cure, at the time the API asks for; fails the rest at once.

    dlt wraps what a resource raises, so the whole chain of the exception is looked at.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002  Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decides by the class of the first error of ours."""
        error = find_error(exception)
        if isinstance(error, PermanentError):
            return RetryDecision.fail(reason=f"{type(error).__name__}: a retry would fail as well")
        if isinstance(error, ApiUnavailableError) and error.retry_after_seconds:
            delay = timedelta(seconds=error.retry_after_seconds)
            return RetryDecision.retry(delay=delay, reason="the API's Retry-After")
        return RetryDecision.default()


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "directory-sync",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": DirectoryRetryPolicy(),
    "execution_timeout": timedelta(hours=2),
}
"""What holds for every task: transient errors are retried, permanent ones fail at once."""


def group_of(resource: Resource, *, is_first: bool) -> AbstractContextManager[Any]:
    """Returns the task group of a resource: the first one's tasks stand in the Dag itself."""
    return nullcontext() if is_first else TaskGroup(resource.name)


def extract(resource: Resource, settings: SyncSettings) -> PipelineTasksGroup:
    """Declares the shard tasks of a resource, through dlt's Airflow helper."""
    group = PipelineTasksGroup("extract", wipe_local_data=True)
    # What dlt leaves in its working folder goes at the end of a parse, and of a task.
    atexit.register(shutil.rmtree, os.environ["DLT_DATA_DIR"], ignore_errors=True)
    scope: dict[str, TaskScope] = {}

    def begin() -> None:
        scope["now"] = TaskScope(resource.name)

    def open_client(shards: int, in_flight: int) -> "tuple[DirectoryClient, Resource]":
        now = scope["now"]
        return now.client(share_of=shards, connections=in_flight), now.resource

    group.add_run(
        dlt.pipeline(
            f"{resource.name}_landing",
            destination=dlt.destinations.filesystem(layout=LAYOUT),
            dataset_name=DATASET,
        ),
        directory_source(
            shards=settings.shards,
            requests_in_flight=settings.requests_in_flight,
            open_client=open_client,
        ),
        decompose="parallel-isolated",
        serialize_first_task=False,
        loader_file_format="parquet",
        on_before_run=begin,
    )
    # dlt keeps a record of every look-up until a pipeline runs; a parse runs none.
    get_resolved_traces().clear()
    return group


def audit(resource: Resource) -> "XComArg":
    """Declares the task that seals, checks and compares the snapshot."""

    @task(task_id="audit")
    def audit() -> dict[str, Any]:
        from directory_sync import audit as stage
        from directory_sync.publish import roll_forward

        scope = TaskScope(resource.name)
        with scope.warehouse() as (warehouse, folder):
            if scope.context["params"]["mode"] != "dry_run":
                roll_forward(scope.resource, warehouse=warehouse)
            client = scope.client()
            try:
                job = scope.audit_job(folder)
                report = stage.audit(
                    job,
                    warehouse=warehouse,
                    read_page=client.page,
                    has_entry=client.has_entry if job.resource.detail_path else None,
                )
            finally:
                client.close()
        _log(report)
        return report.summary()

    return audit()


def publish(resource: Resource) -> "XComArg":
    """Declares the task that writes the difference into the warehouse."""
    asset = Asset(resource.name)

    @task(task_id="publish", outlets=[asset], max_active_tis_per_dag=1)
    def publish(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync import publish as stage
        from directory_sync.audit import compare_again
        from directory_sync.landing import retention_limit

        scope = TaskScope(resource.name)
        if scope.context["params"]["mode"] == "dry_run":
            raise AirflowSkipException("A dry run publishes nothing.")
        with scope.warehouse() as (warehouse, folder):
            report = stage.publish(
                scope.resource,
                scope.landed,
                _landed_report(scope.landed),
                warehouse=warehouse,
                compare_again=lambda: compare_again(scope.audit_job(folder), warehouse=warehouse),
            )
        _log(report)
        if report.skipped:
            raise AirflowSkipException(report.headline())
        landing = Landing.open(scope.connection(LANDING_CONNECTION), scope.settings)
        before = retention_limit(report.snapshot_at, scope.settings)
        landing.retire(resource.name, before=before, keep=report.run_id)
        outlet_events[asset].extra = report.summary()
        return report.summary()

    return publish()


def approve_removals(resource: Resource) -> "XComArg":
    """Declares the task that asks a person for removals over a limit.

    Until the approval is a form in the UI, it fails the run with the error that says what to do.
    """

    @task(task_id="approve_removals", retries=0)
    def approve_removals() -> None:
        scope = TaskScope(resource.name)
        report = _landed_report(scope.landed)
        if report.newly_held:
            reasons = " ".join(f.message for f in report.findings if f.level == "hold")
            raise RemovalsHeld(
                f"{report.newly_held:,} removals of `{resource.name}` are held. {reasons} Everything else is "
                "published. See docs/runbook.md#removalsheld."
            )

    return approve_removals()


def _landed_report(landed: LandedSnapshot) -> AuditReport:
    content = landed.read_json(REPORT)
    if content is None:
        raise ConfigError(
            "The landing zone has no report of this run: the audit has not run, or the landing zone was "
            "emptied. Clear the run's `extract` tasks and let it run again."
        )
    return AuditReport.from_json(content)


def _log(report: AuditReport) -> None:
    logger.info("\n".join(report.lines()))
