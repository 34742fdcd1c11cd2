"""The Airflow tasks: each body opens what it needs and makes one call into a stage.

Nothing here runs at parse but declarations.
"""

import atexit
import logging
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import dlt
from airflow.sdk import Asset, TaskGroup, task
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from dlt.common.configuration.utils import get_resolved_traces
from dlt.helpers.airflow_helper import PipelineTasksGroup

from directory_sync.approval import ANSWER_FIELDS, RemovalApproval
from directory_sync.errors import ConfigError
from directory_sync.extract import directory_source
from directory_sync.form import Resource
from directory_sync.landing import DATASET, LAYOUT, REPORT, LandedSnapshot, Landing
from directory_sync.question import landed_decision, landed_question
from directory_sync.report import AuditReport
from directory_sync.retry import NOTE
from directory_sync.scope import TaskScope
from directory_sync.settings import LANDING_CONNECTION, SyncSettings

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from directory_sync.client import DirectoryClient
    from directory_sync.progress import ReadFacts

logger = logging.getLogger(__name__)


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
        if scope["now"].mode == "decide":
            raise AirflowSkipException("The mode `decide` does not read the directory.")

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
            tell=lambda facts: _show(scope["now"], facts),
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

    @task(task_id="audit", trigger_rule="none_failed")
    def audit() -> dict[str, Any]:
        from directory_sync import audit as stage
        from directory_sync.publish import roll_forward
        from directory_sync.removals import ask

        scope = TaskScope(resource.name)
        with scope.warehouse() as (warehouse, folder):
            if scope.mode != "dry_run":
                roll_forward(scope.resource, warehouse=warehouse)
            if scope.mode == "decide":
                question = ask(
                    scope.resource,
                    scope.landed,
                    warehouse=warehouse,
                    limits=scope.limits,
                    dataset=scope.settings.dataset,
                )
                if question is None:
                    _note(scope, f"{resource.name}: no removal waits for a decision")
                    raise AirflowSkipException("No removal waits for a decision.")
                return {"held": question.held, "held_digest": question.digest}
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
        if scope.mode == "dry_run":
            _note(scope, f"Dry run, nothing was published. {report.headline()}")
        return report.summary()

    return audit()


def publish(resource: Resource) -> "XComArg":
    """Declares the task that writes the difference into the warehouse.

    Where nobody is to be asked, it has the scheduler skip the tasks after it, which then start no process.
    """
    asset = Asset(resource.name)

    @task(task_id="publish", outlets=[asset], max_active_tis_per_dag=1, trigger_rule="none_failed")
    def publish(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync import publish as stage
        from directory_sync.audit import compare_again
        from directory_sync.landing import retention_limit
        from directory_sync.removals import ask

        scope = TaskScope(resource.name)
        if scope.mode in ("dry_run", "decide"):
            raise AirflowSkipException(f"The mode `{scope.mode}` publishes nothing.")
        question = None
        with scope.warehouse() as (warehouse, folder):
            report = stage.publish(
                scope.resource,
                scope.landed,
                _landed_report(scope.landed),
                warehouse=warehouse,
                compare_again=lambda: compare_again(scope.audit_job(folder), warehouse=warehouse),
            )
            if report.asks and not report.skipped:
                question = ask(
                    scope.resource,
                    scope.landed,
                    warehouse=warehouse,
                    limits=scope.limits,
                    reasons=[finding.message for finding in report.findings if finding.level == "hold"],
                    dataset=scope.settings.dataset,
                )
        _log(report)
        _note(scope, report.headline())
        if report.skipped:
            raise AirflowSkipException(report.headline())
        landing = Landing.open(scope.connection(LANDING_CONNECTION), scope.settings)
        before = retention_limit(report.snapshot_at, scope.settings)
        landing.retire(resource.name, before=before, keep=report.run_id)
        outlet_events[asset].extra = report.summary()
        if question is None:
            scope.context["ti"].xcom_push(key="return_value", value=report.summary())
            below = list(scope.context["task"].downstream_task_ids)
            raise DownstreamTasksSkipped(tasks=below)  # type: ignore[no-untyped-call]
        return report.summary()

    return publish()


def approve_removals(resource: Resource, settings: SyncSettings) -> RemovalApproval:
    """Declares the task that asks a person about removals over a limit."""
    return RemovalApproval(
        task_id="approve_removals",
        resource_name=resource.name,
        params=ANSWER_FIELDS,
        response_timeout=settings.response_timeout,
        # A retry would ask the person again.
        retries=0,
        # In mode `decide` nothing is published before.
        trigger_rule="none_failed",
    )


def remove(resource: Resource) -> "XComArg":
    """Declares the task that carries out an approved removal."""
    asset = Asset(resource.name)

    @task(task_id="remove", outlets=[asset], max_active_tis_per_dag=1)
    def remove(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync import removals as stage

        scope = TaskScope(resource.name)
        question = landed_question(scope.landed)
        decision = landed_decision(scope.landed, question) if question else None
        if question is None or decision is None or decision.choice != "approved":
            raise AirflowSkipException("No removal was approved in this run.")
        with scope.warehouse() as (warehouse, _):
            report = stage.remove(
                scope.resource,
                scope.landed,
                question,
                run_id=scope.context["run_id"],
                warehouse=warehouse,
            )
        _log(report)
        _note(scope, report.headline())
        outlet_events[asset].extra = report.summary()
        return report.summary()

    return remove()


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


def _note(scope: TaskScope, text: str) -> None:
    """Leaves a line for the run's note, which the plugin puts together."""
    scope.context["ti"].xcom_push(key=NOTE, value=text)


def _show(scope: TaskScope, facts: "ReadFacts") -> None:
    """Shows what a shard did among its task's XComs."""
    for name in ("pages", "entries", "seconds", "retries"):
        scope.context["ti"].xcom_push(key=name, value=round(getattr(facts, name), 1))
