"""One transaction for all tables of a load package.

dlt loads a package into staging tables and then merges each table, with its child tables, by a script of its
own. Whether a script runs in a transaction depends on its words: on DuckDB one that holds no CREATE, such as
that of a table without child tables, runs statement by statement. Here the last script holds all of them, and
it runs in a transaction whatever it says. What is loaded before it stands in staging tables alone.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.errors import DirectorySyncError

if TYPE_CHECKING:
    from dlt.common.destination.client import FollowupJobRequest, LoadJob
    from dlt.common.destination.typing import PreparedTableSchema
    from dlt.common.storages.load_package import LoadJobInfo

Guard = Callable[[Any], None]
"""Given dlt's SQL client in the transaction, before anything is written; an error of ours ends it."""


def in_one_transaction(destination: Any, guard: Guard) -> Any:
    """Returns a destination of dlt's that writes all tables of a package in one transaction.

    Args:
        destination: one of dlt's SQL destinations; the database must have transactions.
        guard: is called in each of these transactions first.
    """
    kind, client = type(destination), _client_class(destination.client_class, guard)
    # dlt derives the type that it stores with a pipeline's state from these names.
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    whole = copy.copy(destination)
    whole.__class__ = type(kind.__name__, (kind,), {**names, "client_class": client})
    return whole


def _client_class(kind: Any, guard: Guard) -> Any:
    # dlt's SQL clients take a second to import.
    from dlt.destinations.job_client_impl import SqlLoadJob

    class WholePackage(SqlLoadJob):
        """The script that merges all tables."""

        def run(self) -> None:
            statements = self._split_fragments(Path(self._file_path).read_text("utf-8"))
            client = self._job_client.sql_client
            with client.begin_transaction():
                _call(guard, client)
                client.execute_many(statements)

    class OneTransaction(kind):  # type: ignore[misc]  # dlt's client of the destination
        """dlt's client, with one script for all tables of a package."""

        def create_table_chain_completed_followup_jobs(
            self,
            table_chain: "Sequence[PreparedTableSchema]",
            completed_table_chain_jobs: "Sequence[LoadJobInfo] | None" = None,
        ) -> "list[FollowupJobRequest]":
            if table_chain[0]["write_disposition"] != "merge":
                return []
            chains = _completed_chains(self, completed_table_chain_jobs or ())
            if chains is None:
                return []
            scripts = [job for chain in chains for job in self._create_merge_followup_jobs(chain)]
            return _joined(scripts)

        def create_load_job(self, table: Any, file_path: str, load_id: str, **other: Any) -> "LoadJob":
            if WholePackage.is_sql_job(file_path):
                return WholePackage(file_path)
            job: LoadJob = super().create_load_job(table, file_path, load_id, **other)
            return job

    return OneTransaction


def _call(guard: Guard, client: Any) -> None:
    """An error of ours fails the job at once: dlt would try it again five times."""
    from dlt.common.destination.exceptions import DestinationTerminalException

    try:
        guard(client)
    except DirectorySyncError as e:
        raise DestinationTerminalException(type(e).__name__) from e


def _completed_chains(
    client: Any, completed: "Sequence[LoadJobInfo]"
) -> "list[list[PreparedTableSchema]] | None":
    """The merged tables of the package that is being loaded, each with its child tables.

    Args:
        client: dlt's job client.
        completed: jobs that are completed and may not be counted so yet.

    Returns:
        None while jobs of any of them are under way.
    """
    from dlt.common.configuration.container import Container
    from dlt.common.schema.utils import get_root_table
    from dlt.common.storages.load_package import LoadPackageStateInjectableContext
    from dlt.load.utils import get_completed_table_chain

    package = Container()[LoadPackageStateInjectableContext]
    ids, tables = {info.job_file_info.job_id() for info in completed}, client.schema.tables
    jobs = [
        ("completed_jobs" if job.job_id() in ids else state, job)
        for state, job in package.storage.list_all_jobs_with_states(package.load_id)
    ]
    chains = []
    for name in dict.fromkeys(get_root_table(tables, job.table_name)["name"] for _, job in jobs):
        if client.prepare_load_table(name)["write_disposition"] != "merge":
            continue
        chain = get_completed_table_chain(client.schema, jobs, tables[name])
        if chain is None:
            return None
        chains.append([client.prepare_load_table(table["name"]) for table in chain])
    return chains


def _joined(scripts: "Sequence[FollowupJobRequest]") -> "list[FollowupJobRequest]":
    """The first script, with the statements of all."""
    if not scripts:
        return []
    paths = [Path(script.new_file_path()) for script in scripts]
    paths[0].write_text("\n".join(path.read_text("utf-8") for path in paths), "utf-8")
    for path in paths[1:]:
        path.unlink()
    return [scripts[0]]
