"""Declares the Airflow tasks; each body calls one stage of `Sync`.

At parse this module only declares: it reads no connection and does no work.
"""

import atexit
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import Asset, BaseOperator, TaskGroup, task
from dlt.common.configuration.utils import get_resolved_traces
from dlt.helpers.airflow_helper import PipelineTasksGroup

from directory_sync.airflow.compat import HAS_APPROVALS, RETURNED, AirflowSkipException
from directory_sync.airflow.division import divided
from directory_sync.airflow.scope import TaskScope
from directory_sync.airflow.telling import Telling
from directory_sync.config.directory import Directory
from directory_sync.config.dlt_provider import own_dlt
from directory_sync.config.form import Resource
from directory_sync.config.names import Stage
from directory_sync.extract.declared import directory_source, landing_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import XComArg

    from directory_sync.api.client import DirectoryClient
    from directory_sync.extract.plan import Shard
    from directory_sync.extract.progress import ReadFacts
    from directory_sync.landing.parents import ListedParent


def asset_of(directory: Directory, resource: Resource) -> Asset:
    """Returns the asset of a resource, with its description."""
    return Asset(
        directory.asset_name(resource.name),
        uri=directory.asset_uri_of(resource.name),
        extra={
            "description": f"The entries that the connection {directory.connection} reads, in the table "
            f"{directory.switches.dataset}.{resource.name}. Each event has the report of a publication, and "
            "the columns of its tables with their types."
        },
    )


def group_of(resource: Resource, *, is_first: bool) -> AbstractContextManager[Any]:
    """Returns the task group of a resource. The tasks of the first resource are in no group."""
    return nullcontext() if is_first else TaskGroup(resource.name)


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The tasks of one resource."""

    extract: PipelineTasksGroup
    audit: "XComArg"
    publish: "XComArg"
    approve_removals: BaseOperator
    remove: "XComArg"


def stages_of(directory: Directory, resource: Resource, *, telling: Telling) -> Stages:
    """Declares the tasks of a resource, without the edges between them.

    Args:
        directory: the directory.
        resource: the resource.
        telling: tells people what happens.
    """
    return Stages(
        extract=extract(directory, resource),
        audit=audit(directory, resource),
        publish=publish(directory, resource, telling=telling),
        approve_removals=approve_removals(directory, resource, telling=telling),
        remove=remove(directory, resource, telling=telling),
    )


def extract(directory: Directory, resource: Resource) -> PipelineTasksGroup:
    """Declares the shard tasks of a resource, through dlt's Airflow helper."""
    settings = directory.switches
    shards = ShardTasks(directory, resource.name)
    with own_dlt():
        group = PipelineTasksGroup(Stage.EXTRACT.value, wipe_local_data=True)
        # Deletes dlt's working folder at the end of a parse, and of a task.
        atexit.register(shutil.rmtree, os.environ["DLT_DATA_DIR"], ignore_errors=True)
        declared = group.add_run(
            landing_pipeline(f"{resource.name}_landing"),
            directory_source(shards, shards=settings.shards, requests_in_flight=settings.requests_in_flight),
            decompose="parallel-isolated",
            serialize_first_task=False,
            loader_file_format="parquet",
            on_before_run=shards.begin,
        )
    for one in declared:
        if isinstance(one, PythonOperator):
            one.python_callable = partial(shards.run, one.python_callable)
        else:
            _take_out(one)
    # dlt records every look-up until a pipeline runs, and a parse runs none.
    get_resolved_traces().clear()
    return group


def _take_out(marker: BaseOperator) -> None:
    """Takes a task without work out of its Dag and its group, with its edges.

    dlt's helper declares an empty task before the shards and one behind them. Each costs a run the wait for
    another loop of Airflow's scheduler. The edges of the group lead to the shards themselves then.

    Args:
        marker: the task; no edge leads past it.
    """
    for one in (*marker.upstream_list, *marker.downstream_list):
        one.downstream_task_ids.discard(marker.task_id)
        one.upstream_task_ids.discard(marker.task_id)
    # Airflow has no public name for it; its own warning is about the edges, which are gone.
    marker.dag._remove_task(marker.task_id)  # noqa: SLF001


class ShardTasks:
    """The access of the shard tasks to their run: each task looks up its own.

    dlt's helper declares the tasks at parse, all with this one object, and calls `begin` inside a task.

    Args:
        directory: the directory to read.
        resource_name: the resource to read.
    """

    def __init__(self, directory: Directory, resource_name: str) -> None:
        """Looks nothing up."""
        self._directory, self._resource_name = directory, resource_name

    def run(self, load: Callable[[], None]) -> None:
        """Runs dlt's helper in a task, with the configuration of our pipelines.

        Args:
            load: what the helper does in the task; it calls `begin` first.
        """
        from directory_sync.landing.zone import answers_to_dlt

        with own_dlt(answers_to_dlt(lambda: self._scope.landed, lambda: self._scope.place)):
            load()

    def begin(self) -> None:
        """Begins a task: looks up its run, and prepares its landing folder.

        Raises:
            AirflowSkipException: this run does not read the directory.
        """
        from directory_sync.sync import Sync

        self._scope = TaskScope(self._directory, self._resource_name)
        self._sync = Sync(self._scope)
        if reason := self._sync.reads_nothing:
            raise AirflowSkipException(reason)
        self._sync.prepare_landing()

    @property
    def resource(self) -> Resource:
        """The resource, as this run reads it."""
        return self._sync.resource

    @property
    def parent(self) -> Resource | None:
        """The parent of a child resource."""
        return self._sync.parent

    def parents(self, shard: "Shard") -> "Iterator[ListedParent]":
        """Yields the parents whose lists a shard reads, see `extract.stage.Reading`."""
        return self._sync.parents(shard)

    def divided(self, count: int) -> int:
        """Returns into how many parts the list is divided in this run, see `extract.stage.Reading`."""
        return divided(count, self._scope.skipped_shards)

    def client(self, *, share_of: int, number: int, connections: int) -> "DirectoryClient":
        """Opens an HTTP client, see `extract.stage.Reading`."""
        return self._sync.client(share_of=share_of, number=number, connections=connections)

    def done(self, facts: "ReadFacts") -> None:
        """Pushes the statistics of the shard as XComs: pages, entries, seconds, retries."""
        for name in ("pages", "entries", "seconds", "retries"):
            self._scope.context["ti"].xcom_push(key=name, value=round(getattr(facts, name), 1))


def audit(directory: Directory, resource: Resource) -> "XComArg":
    """Declares the task that seals, checks and compares the snapshot."""

    @task(task_id=Stage.AUDIT.value, trigger_rule="none_failed", **RETURNED)
    def audit() -> dict[str, Any]:
        from directory_sync.airflow import bodies

        return bodies.audit(TaskScope(directory, resource.name))

    return audit()


def publish(directory: Directory, resource: Resource, *, telling: Telling) -> "XComArg":
    """Declares the task that writes the difference into the warehouse."""
    asset = asset_of(directory, resource)

    @task(
        task_id=Stage.PUBLISH.value,
        outlets=[asset],
        max_active_tis_per_dag=1,
        trigger_rule="none_failed",
        **RETURNED,
    )
    def publish(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync.airflow import bodies

        scope = TaskScope(directory, resource.name)
        return bodies.publish(scope, outlet_events[asset].extra, tell=telling.published)

    return publish()


def approve_removals(directory: Directory, resource: Resource, *, telling: Telling) -> BaseOperator:
    """Declares the task that asks a person about removals over a limit, or takes the answer of the run."""
    arguments: dict[str, Any] = {
        "task_id": Stage.APPROVE_REMOVALS.value,
        "directory": directory,
        "resource_name": resource.name,
        "approvers": directory.switches.approvers,
        "telling": telling,
        # A retry would ask the person again.
        "retries": 0,
        # In mode `decide` the task `publish` is skipped.
        "trigger_rule": "none_failed",
    }
    if not HAS_APPROVALS:
        from directory_sync.airflow.decision import RemovalDecision

        return RemovalDecision(**arguments)
    from directory_sync.airflow.approval import ANSWER_FIELDS, RemovalApproval

    return RemovalApproval(
        params=ANSWER_FIELDS, response_timeout=directory.switches.response_timeout, **arguments
    )


def remove(directory: Directory, resource: Resource, *, telling: Telling) -> "XComArg":
    """Declares the task that carries out an approved removal."""
    asset = asset_of(directory, resource)

    @task(task_id=Stage.REMOVE.value, outlets=[asset], max_active_tis_per_dag=1, **RETURNED)
    def remove(*, outlet_events: Any = None) -> dict[str, Any]:
        from directory_sync.airflow import bodies

        scope = TaskScope(directory, resource.name)
        return bodies.remove(scope, outlet_events[asset].extra, tell=telling.published)

    return remove()
