"""The Dag of one directory, as a Dag file declares it.

The Dag file holds the form, a function that returns what is synced. A second directory has a file of its own:

    from airflow.sdk import DAG
    from directory_sync.dag import Directory, directory_dag

    dag: DAG = directory_dag(
        "partners_sync",
        Directory(connection="partners_api", form=partners, settings={"dataset": "partners"}),
    )
"""

import gc
from weakref import WeakValueDictionary

from airflow.sdk import DAG, CronDataIntervalTimetable

from directory_sync.config import dlt_provider

# Before dlt reads its configuration for the first time.
dlt_provider.quiet_dlt()

from directory_sync.airflow import tasks  # noqa: E402
from directory_sync.airflow.deadline import alerts  # noqa: E402
from directory_sync.airflow.display import describe, owner_links  # noqa: E402
from directory_sync.airflow.params import PARAMS  # noqa: E402
from directory_sync.airflow.retry import DEFAULT_ARGS  # noqa: E402
from directory_sync.config.directory import Directory  # noqa: E402
from directory_sync.config.names import TAGS  # noqa: E402
from directory_sync.errors import ConfigError  # noqa: E402

__all__ = ["Directory", "directory_dag"]


def directory_dag(dag_id: str, directory: Directory, *, doc_md: str | None = None) -> DAG:
    """Declares the Dag of a directory: extract >> audit >> publish >> approve_removals >> remove.

    Args:
        dag_id: its id.
        directory: its form, and its connection and switches where they differ from the deployment's.
        doc_md: its documentation in the interface.

    Raises:
        ConfigError: a setting, or the form, says something that cannot be honoured.
    """
    settings = directory.switches
    with DAG(
        dag_id,
        schedule=CronDataIntervalTimetable(settings.schedule, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULT_ARGS,
        params=PARAMS,
        tags=list(TAGS),
        doc_md=doc_md,
        deadline=alerts(settings),
        owner_links=owner_links(settings),
    ) as dag:
        for number, resource in enumerate(directory.declared_resources()):
            _claim(dag, directory, resource.name)
            with tasks.group_of(resource, is_first=number == 0):
                (
                    tasks.extract(directory, resource)
                    >> tasks.audit(directory, resource)
                    >> tasks.publish(directory, resource)
                    >> tasks.approve_removals(directory, resource)
                    >> tasks.remove(directory, resource)
                )
            describe(dag, resource)
    return dag


_declared: WeakValueDictionary[tuple[str, str], DAG] = WeakValueDictionary()
"""Which Dag of this process has which resource of which dataset. Mostly a process parses one Dag file."""


def _claim(dag: DAG, directory: Directory, resource: str) -> None:
    """Refuses a second Dag with the tables of another one.

    Raises:
        ConfigError: there is one.
    """
    key = directory.switches.dataset, resource
    if (other := _declared.get(key)) is not None and other.dag_id != dag.dag_id:
        # A Dag that nothing holds any more, of a file that was parsed anew, is no other one.
        del other
        gc.collect()
    if (other := _declared.get(key)) is not None and other.dag_id != dag.dag_id:
        raise ConfigError(
            f"The Dags `{other.dag_id}` and `{dag.dag_id}` both sync `{resource}` into the dataset "
            f"`{key[0]}`: they would overwrite each other. Give one of them a dataset or a resource name of "
            "its own."
        )
    _declared[key] = dag
