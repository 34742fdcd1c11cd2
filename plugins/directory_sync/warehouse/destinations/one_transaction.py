"""Writes all tables of a load package in one transaction.

dlt loads a package into staging tables. Then it merges each table and its child tables by one script per
table. dlt decides by the words of a script whether it runs in a transaction: on DuckDB, a script without a
CREATE, such as that of a table without child tables, runs statement by statement. Here one last script has
the statements of all scripts, and it always runs in a transaction. Before it, only staging tables are
written; it leaves them empty. A warehouse that can reads the package's files instead (`read_files.py`).
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.errors import DirectorySyncError
from directory_sync.warehouse.destinations.read_files import reading_views, views_of

if TYPE_CHECKING:
    from dlt.common.destination.client import FollowupJobRequest, LoadJob
    from dlt.common.destination.typing import PreparedTableSchema
    from dlt.common.storages.load_package import LoadJobInfo, ParsedLoadJobFileName

Guard = Callable[[Any], bool]
"""Called with dlt's SQL client in the transaction, before it writes.

It tells whether the package is loaded already. A DirectorySyncError ends the load.
"""
_LIST_OF_ALL = re.compile(
    r'^(CREATE TEMPORARY TABLE (\S+) AS SELECT "\w+" FROM \S+ WHERE 1 = 1;?\n)', re.MULTILINE
)


def in_one_transaction(destination: Any, guard: Guard, *, reads_files: bool = False) -> Any:
    """Returns a copy of a dlt destination that writes all tables of a package in one transaction.

    Args:
        destination: one of dlt's SQL destinations; its database must have transactions.
        guard: called at the begin of each of these transactions.
        reads_files: Parquet files are merged where they are, see `read_files.py`.
    """
    kind, client = type(destination), _client_class(destination.client_class, guard, reads_files=reads_files)
    # dlt stores a type with the state of a pipeline, and derives it from these names.
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    whole = copy.copy(destination)
    kept = {
        "client_class": client,
        "capabilities": _kept_capabilities(kind),
        "spec": property(lambda _: _spec(destination.spec)),
    }
    whole.__class__ = type(kind.__name__, (kind,), {**names, **kept})
    return whole


@cache
def _spec(kind: Any) -> Any:
    """Returns a destination's class of configuration, with its type as its text.

    dlt writes the text into the trace of a load, which nobody reads here: a URL, for which it imports
    SQLAlchemy. That takes 0.15 s.
    """
    from dlt.common.configuration import configspec

    own = {"__module__": kind.__module__, "__str__": lambda self: str(self.destination_type)}
    return configspec(type(kind.__name__, (kind,), own), init=False)


def _kept_capabilities(kind: Any) -> Callable[..., Any]:
    """Returns a method that finds only once what a destination can do, where no configuration is given.

    dlt asks dozens of times a load, and resolves its whole configuration each time: a fifth of a small load.
    """
    known: dict[tuple[Any, ...], Any] = {}

    def capabilities(self: Any, config: Any = None, naming: Any = None) -> Any:
        if config is not None:
            return kind.capabilities(self, config, naming)
        key = (naming.name(), naming.max_length) if naming else ()
        if key not in known:
            known[key] = kind.capabilities(self, None, naming)
        return known[key].copy()

    return capabilities


def _client_class(kind: Any, guard: Guard, *, reads_files: bool) -> Any:
    # Imported here: dlt's SQL clients take a second to import.
    from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob
    from dlt.destinations.job_client_impl import SqlLoadJob

    # The views of the package that is loaded. A package is loaded by the process that opened the warehouse.
    views: dict[str, str] = {}

    class LeftInPlace(RunnableLoadJob, HasFollowupJobs):
        """A file that the script reads. It is a job that runs: dlt waits a second for any other."""

        def run(self) -> None:
            pass

    class WholePackage(SqlLoadJob):
        """The script that merges all tables."""

        def run(self) -> None:
            statements = self._split_fragments(Path(self._file_path).read_text("utf-8"))
            client = self._job_client.sql_client
            with client.begin_transaction():
                _merge(client, guard, statements, views)

    class OneTransaction(kind):  # type: ignore[misc]  # dlt's client of the destination
        """dlt's client, with one script for all tables of a package."""

        def create_table_chain_completed_followup_jobs(
            self,
            table_chain: "Sequence[PreparedTableSchema]",
            completed_table_chain_jobs: "Sequence[LoadJobInfo] | None" = None,
        ) -> "list[FollowupJobRequest]":
            if table_chain[0]["write_disposition"] != "merge":
                return []
            package, jobs = _jobs(completed_table_chain_jobs or ())
            chains = _completed_chains(self, jobs)
            if chains is None:
                return []
            views.clear()
            views.update(views_of(self.sql_client, package, jobs) if reads_files else {})
            scripts = [job for chain in chains for job in self._create_merge_followup_jobs(chain)]
            return _joined(scripts, _emptied(self.sql_client, chains), views)

        def create_load_job(self, table: Any, file_path: str, load_id: str, **other: Any) -> "LoadJob":
            if WholePackage.is_sql_job(file_path):
                return WholePackage(file_path)
            if reads_files and table["write_disposition"] == "merge" and file_path.endswith(".parquet"):
                return LeftInPlace(file_path)
            job: LoadJob = super().create_load_job(table, file_path, load_id, **other)
            return job

    return OneTransaction


def _merge(client: Any, guard: Guard, statements: Sequence[str], views: Mapping[str, str]) -> None:
    for view in views.values():
        client.execute_sql(view)
    if not _is_done(guard, client):
        client.execute_many(statements)


def _is_done(guard: Guard, client: Any) -> bool:
    """Calls the guard. A DirectorySyncError ends the job at once; dlt would retry it five times."""
    from dlt.common.destination.exceptions import DestinationTerminalException

    try:
        return guard(client)
    except DirectorySyncError as e:
        raise DestinationTerminalException(type(e).__name__) from e


def _jobs(completed: "Sequence[LoadJobInfo]") -> "tuple[Any, list[tuple[Any, ParsedLoadJobFileName]]]":
    """Returns dlt's context of the present package, and its jobs, each with its state.

    Args:
        completed: jobs that are completed, though the package may still list them as running.
    """
    from dlt.common.configuration.container import Container
    from dlt.common.storages.load_package import LoadPackageStateInjectableContext

    package = Container()[LoadPackageStateInjectableContext]
    ids = {info.job_file_info.job_id() for info in completed}
    jobs = package.storage.list_all_jobs_with_states(package.load_id)
    return package, [("completed_jobs" if job.job_id() in ids else state, job) for state, job in jobs]


def _completed_chains(
    client: Any, jobs: "Sequence[tuple[Any, ParsedLoadJobFileName]]"
) -> "list[list[PreparedTableSchema]] | None":
    """Returns the tables of the present package that are merged, each with its child tables.

    Args:
        client: dlt's job client.
        jobs: the jobs of the package, each with its state.

    Returns:
        The chains of tables; None: a job of one of these tables is still running.
    """
    from dlt.common.schema.utils import get_root_table
    from dlt.load.utils import get_completed_table_chain

    tables = client.schema.tables
    chains = []
    for name in dict.fromkeys(get_root_table(tables, job.table_name)["name"] for _, job in jobs):
        if client.prepare_load_table(name)["write_disposition"] != "merge":
            continue
        chain = get_completed_table_chain(client.schema, jobs, tables[name])
        if chain is None:
            return None
        chains.append([client.prepare_load_table(table["name"]) for table in chain])
    return chains


def _emptied(client: Any, chains: "Sequence[Sequence[PreparedTableSchema]]") -> list[str]:
    """Returns the statements that empty the staging tables, for the end of the transaction.

    dlt empties them before the next load. Until then the warehouse would keep each load twice, and DuckDB
    would write both copies into its file.
    """
    with client.with_staging_dataset():
        names = [client.make_qualified_table_name(table["name"]) for chain in chains for table in chain]
    return [f"{client._truncate_table_sql(name).rstrip(';')};" for name in names]  # noqa: SLF001


def without_list(script: str) -> str:
    """Returns a script that inserts all staged rows without looking them up in a list of all.

    For a table with child tables, dlt lists the staged rows to insert, and then inserts, into each table, the
    rows that belong to a listed one. Of rows that need no deduplication the list has all.

    Args:
        script: SQL of dlt's, a statement a line.
    """
    for listing, name in _LIST_OF_ALL.findall(script):
        script = script.replace(listing, "")
        script = re.sub(rf'"\w+" IN \(SELECT \* FROM {re.escape(name)}\)', "1 = 1", script)
    return script


def _joined(
    scripts: "Sequence[FollowupJobRequest]", last: "Sequence[str]", views: Mapping[str, str]
) -> "list[FollowupJobRequest]":
    """Writes the statements of all scripts, and the last ones, into the first one; returns only that one.

    Args:
        scripts: dlt's; they read the views in place of the staging tables.
        last: statements that concern the staging tables themselves.
        views: see `read_files.py`.
    """
    if not scripts:
        return []
    paths = [Path(script.new_file_path()) for script in scripts]
    read = [without_list(path.read_text("utf-8")) for path in paths]
    whole = [*(reading_views(script, views) for script in read), *last]
    paths[0].write_text("\n".join(whole), "utf-8")
    for path in paths[1:]:
        path.unlink()
    return [scripts[0]]
