"""The Airflow tasks: each body opens what it needs and makes one call into a stage.

Nothing here runs at parse but declarations.
"""

import atexit
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import dlt
from airflow.sdk import Asset, TaskGroup, task
from airflow.sdk.exceptions import AirflowSkipException
from dlt.common.configuration.utils import get_resolved_traces
from dlt.helpers.airflow_helper import PipelineTasksGroup

from directory_sync.airflow.approval import ANSWER_FIELDS, RemovalApproval
from directory_sync.airflow.params import OFFLINE_MODES
from directory_sync.airflow.scope import TaskScope
from directory_sync.config.directory import Directory
from directory_sync.config.form import Resource
from directory_sync.extract.stage import directory_source
from directory_sync.landing.zone import DATASET, LAYOUT

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from directory_sync.api.client import DirectoryClient
    from directory_sync.extract.progress import ReadFacts


def group_of(resource: Resource, *, is_first: bool) -> AbstractContextManager[Any]:
    """Returns the task group of a resource: the first one's tasks stand in the Dag itself."""
    return nullcontext() if is_first else TaskGroup(resource.name)


def extract(directory: Directory, resource: Resource) -> PipelineTasksGroup:
    """Declares the shard tasks of a resource, through dlt's Airflow helper."""
    settings = directory.switches
    group = PipelineTasksGroup("extract", wipe_local_data=True)
    # What dlt leaves in its working folder goes at the end of a parse, and of a task.
    atexit.register(shutil.rmtree, os.environ["DLT_DATA_DIR"], ignore_errors=True)
    scope: dict[str, TaskScope] = {}

    def begin() -> None:
        scope["now"] = TaskScope(directory, resource.name)
        mode, skip_reason = scope["now"].mode, scope["now"].skip_reason
        if mode in OFFLINE_MODES or skip_reason:
            raise AirflowSkipException(skip_reason or f"The mode `{mode}` does not read the directory.")
        scope["now"].check_limits()
        scope["now"].prepare_landing()

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


def audit(directory: Directory, resource: Resource) -> "XComArg":
    """Declares the task that seals, checks and compares the snapshot."""

    @task(task_id="audit", trigger_rule="none_failed")
    def audit() -> dict[str, Any]:
        from directory_sync.airflow import bodies

        return bodies.audit(TaskScope(directory, resource.name))

    return audit()


def publish(directory: Directory, resource: Resource) -> "XComArg":
    """Declares the task that writes the difference into the warehouse."""
    asset = Asset(directory.asset_name(resource.name))

    @task(task_id="publish", outlets=[asset], max_active_tis_per_dag=1, trigger_rule="none_failed")
    def publish(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync.airflow import bodies

        return bodies.publish(TaskScope(directory, resource.name), outlet_events[asset].extra)

    return publish()


def approve_removals(directory: Directory, resource: Resource) -> RemovalApproval:
    """Declares the task that asks a person about removals over a limit."""
    return RemovalApproval(
        task_id="approve_removals",
        directory=directory,
        resource_name=resource.name,
        params=ANSWER_FIELDS,
        response_timeout=directory.switches.response_timeout,
        approvers=directory.switches.approvers,
        # A retry would ask the person again.
        retries=0,
        # In mode `decide` nothing is published before.
        trigger_rule="none_failed",
    )


def remove(directory: Directory, resource: Resource) -> "XComArg":
    """Declares the task that carries out an approved removal."""
    asset = Asset(directory.asset_name(resource.name))

    @task(task_id="remove", outlets=[asset], max_active_tis_per_dag=1)
    def remove(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync.airflow import bodies

        return bodies.remove(TaskScope(directory, resource.name), outlet_events[asset].extra)

    return remove()


def _show(scope: TaskScope, facts: "ReadFacts") -> None:
    """Shows what a shard did among its task's XComs."""
    for name in ("pages", "entries", "seconds", "retries"):
        scope.context["ti"].xcom_push(key=name, value=round(getattr(facts, name), 1))
