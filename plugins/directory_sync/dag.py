"""The Dag of one directory, as a Dag file declares it.

The Dag file holds the form: a function that returns what is synced. A second directory has its own file:

    from airflow.sdk import DAG
    from directory_sync.dag import Directory, directory_dag

    dag: DAG = directory_dag(
        "partners_sync",
        Directory(connection="partners_api", form=partners, settings={"dataset": "partners"}),
    )
"""

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from airflow.sdk import DAG

from directory_sync.airflow import tasks
from directory_sync.airflow.compat import CronDataIntervalTimetable, guard_retries
from directory_sync.airflow.deadline import alerts
from directory_sync.airflow.display import describe, owner_links
from directory_sync.airflow.failure import OWNER, default_args, tell_failures
from directory_sync.airflow.notify import Notify
from directory_sync.airflow.options import options
from directory_sync.airflow.params import PARAMS
from directory_sync.airflow.retry import DirectoryRetryPolicy
from directory_sync.airflow.telling import Telling
from directory_sync.config.directory import Directory
from directory_sync.config.given import also_read
from directory_sync.config.names import TAGS
from directory_sync.errors import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier
    from airflow.sdk.definitions.callback import Callback

__all__ = ["Directory", "Notify", "directory_dag"]

also_read(options)


def directory_dag(  # noqa: PLR0913  each is a setting of the Dag
    dag_id: str,
    directory: Directory,
    *,
    doc_md: str | None = None,
    late_callback: "Callback | None" = None,
    notify: "Sequence[BaseNotifier | Notify]" = (),
    owner: str = OWNER,
    pool: str | None = None,
    tags: Sequence[str] = (),
) -> DAG:
    """Declares the Dag of a directory: extract >> audit >> publish >> approve_removals >> remove.

    A child resource stands between: it is extracted and audited after its parent's audit, and before its
    parent is published.

    Args:
        dag_id: the id of the Dag.
        directory: the form, and the connection and switches where they differ from the deployment's.
        doc_md: the documentation of the Dag in the UI, in Markdown; None: it has none.
        late_callback: called when a run has not ended at its deadline, for example a `SyncCallback` of a
            notifier (below Airflow 3.3 an `AsyncCallback`); None: an error is logged. It needs
            `DIRECTORY_SYNC_DEADLINE_MINUTES`.
        notify: notifiers of Airflow's providers that are told of failures, questions, answers, late runs and
            what changed; `Notify` chooses the events of one. See docs/notifications.md.
        owner: the owner of its tasks, which the list of Dags shows.
        pool: the pool in which its tasks run; None: Airflow's default pool.
        tags: further tags, such as the team's.

    Returns:
        The Dag.

    Raises:
        ConfigError: a setting or the form is wrong or not supported, or another Dag has the same tables.
    """
    settings = directory.switches
    policy = DirectoryRetryPolicy(settings.outage)
    telling, defaults = Telling(directory, notify), default_args(policy)
    with DAG(
        dag_id,
        schedule=CronDataIntervalTimetable(settings.schedule, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        default_args={
            **defaults,
            "owner": owner,
            **({"pool": pool} if pool else {}),
            # The cause is the last line of a failed task's log.
            "on_failure_callback": [telling.failed, defaults["on_failure_callback"]],
        },
        params=PARAMS,
        tags=[*TAGS, *tags],
        doc_md=doc_md,
        owner_links=owner_links(settings, owner),
        **alerts(settings, late_callback, told=telling.receivers),
    ) as dag:
        resources = directory.declared_resources()
        stages = {}
        for number, resource in enumerate(resources):
            _claim(dag, directory, resource.name)
            with tasks.group_of(resource, is_first=number == 0):
                stages[resource.name] = row = tasks.stages_of(directory, resource, telling=telling)
                (row.extract >> row.audit >> row.publish >> row.approve_removals >> row.remove)
            describe(dag, directory, resource)
        for child in resources:
            if child.parent is not None:
                # A child is read for the parent's sealed snapshot, and published with it.
                parent, row = stages[child.parent.name], stages[child.name]
                parent.audit >> row.extract
                row.audit >> parent.publish >> row.publish
    tell_failures(dag, policy)
    guard_retries(dag)
    return dag


_declared: WeakValueDictionary[tuple[str, str], DAG] = WeakValueDictionary()
"""The Dags of this process, by dataset and resource. Usually a process parses one Dag file."""


def _claim(dag: DAG, directory: Directory, resource: str) -> None:
    """Refuses a Dag whose tables another Dag has.

    Raises:
        ConfigError: another Dag of this process has them.
    """
    key = directory.switches.dataset, resource
    if (other := _declared.get(key)) is not None and other.dag_id != dag.dag_id:
        # The old Dag of a file that was parsed again does not count; collecting garbage drops it.
        del other
        gc.collect()
    if (other := _declared.get(key)) is not None and other.dag_id != dag.dag_id:
        raise ConfigError(
            f"The Dags `{other.dag_id}` and `{dag.dag_id}` both sync `{resource}` into the dataset "
            f"`{key[0]}`: they would overwrite each other. Give one of them a dataset or a resource name of "
            "its own."
        )
    _declared[key] = dag
