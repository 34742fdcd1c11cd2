"""The three stages against a real API, a real DuckDB file or PostgreSQL server, and dlt; without Airflow."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from directory_sync.api.client import DirectoryClient, Page
from directory_sync.api.rate import RequestRate
from directory_sync.audit.job import Run
from directory_sync.audit.report import AuditReport
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.form import Resource, parse_form
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.place import LandingPlace, landing_place
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.publish.ownership import Owner
from directory_sync.publish.question import Decision, Question, land_decision
from directory_sync.publish.replay import Replayed
from directory_sync.sync import Sync
from directory_sync.warehouse.warehouse import Warehouse
from tests.buckets import copied_landing
from tests.postgres import PostgresServer

SECRET = "sandbox-secret-not-a-real-one"
RESOURCE = "directory_resource"
STARTED = datetime.now(UTC)
"""When the scheduler started the runs, by a clock that no test moves: nothing landed is ever too old."""
HAS_DATASET = "SELECT 1 FROM information_schema.schemata WHERE schema_name = ?"


@dataclass
class Cycle:
    """A deployment: an API, a folder, a form.

    Attributes:
        url: where the API is.
        home: holds the landing zone and the warehouse.
        resource: what the form says of the resource, beyond the seed's.
        endpoint: what it says of the endpoint.
        settings: switches.
        raised_limits: as a run whose parameters lift the limits says it.
        limits_of_run: as a run's parameters replace the deployment's.
        interval: set, its runs fetch what changed within it.
        postgres: the server of its warehouse, a database that belongs to `home`; None: a DuckDB file.
        role: who it is there, with which password; None: the server's administrator.
        landing: the connection `directory_landing`; None: `home` holds the landing zone.
        directory: its name, as tables and folders are marked with it; None: they are not.
        formerly: what it was called before.
    """

    url: str
    home: Path
    resource: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    client_id: str = "sandbox-client"
    secret: str = SECRET
    shards: int = 1
    raised_limits: str | None = None
    limits_of_run: Mapping[str, float] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    interval: tuple[datetime, datetime] | None = None
    postgres: PostgresServer | None = None
    role: tuple[str, str] | None = None
    landing: ConnectionFields | None = None
    directory: str | None = None
    formerly: Sequence[str] = ()

    @property
    def switches(self) -> SyncSettings:
        # Nights of the tests lie in the future, which a server does not know.
        server = {"clock_tolerance_minutes": 525_600.0} if self.postgres else {}
        return SyncSettings(home=self.home, shards=self.shards, **{**server, **self.settings})

    @property
    def limits(self) -> RemovalLimits:
        return self.switches.removal_limits.of_run(self.limits_of_run, may_raise=True)

    @property
    def parsed(self) -> Resource:
        """The resource, as a run reads it."""
        return self.sync("any").resource

    @property
    def of_form(self) -> Resource:
        return parse_form(
            {
                "client": {
                    "base_url": "https://api.example.com",
                    "auth": {"type": "oauth2"},
                },
                "resources": [
                    {
                        "name": RESOURCE,
                        "primary_key": "id",
                        "write_disposition": "merge",
                        "endpoint": {
                            "path": "/v1/directory",
                            "data_selector": "data",
                            "paginator": {"type": "offset", "limit": 100},
                            **self.endpoint,
                        },
                        **self.resource,
                    }
                ],
            }
        )[0]

    @property
    def api_settings(self) -> ApiSettings:
        """What the connection to the API says."""
        connection = ConnectionFields(
            conn_id="directory_api",
            conn_type="directory_api",
            host=self.url,
            login=self.client_id,
            password=self.secret,
            extra=self.extra,
        )
        return ApiSettings.from_connection(connection)

    def client(self, resource: Resource | None = None, *, connections: int = 2) -> DirectoryClient:
        api = self.api_settings
        rate = RequestRate(api.requests_per_second, sleep=lambda _: None)
        return DirectoryClient(
            api,
            resource or self.parsed,
            rate=rate,
            connections=connections,
            mask=self.tokens.append,
            sleep=lambda _: None,
        )

    def landed(self, run_id: str) -> LandedSnapshot:
        return Landing(self.place).snapshot(RESOURCE, run_id)

    @property
    def place(self) -> LandingPlace:
        """Where the landing zone is."""
        return landing_place(self.landing, self.switches)

    # ---- the stages of a run

    def sync(
        self,
        run_id: str,
        *,
        mode: str = "sync",
        in_flight: int = 4,
        read_page: Callable[[int], Page] | None = None,
    ) -> Sync:
        """The stages of a run, as the tasks have them."""
        run = Run(
            run_id=run_id,
            mode=Mode.INTERVAL if self.interval else Mode(mode),
            interval=self.interval,
            directory=self.directory,
            began_at=STARTED,
        )
        return Sync(_Parts(self, run, in_flight=in_flight, read_page=read_page))

    def extract(self, run_id: str, *, in_flight: int = 4) -> None:
        self.sync(run_id, in_flight=in_flight).extract()

    def audit(
        self, run_id: str, *, read_page: Callable[[int], Page] | None = None, mode: str = "sync"
    ) -> AuditReport:
        report = self.sync(run_id, mode=mode, read_page=read_page).audit().report
        assert report is not None
        return report

    def publish(self, run_id: str) -> AuditReport:
        report = self.sync(run_id).publish().report
        assert report is not None
        return report

    def publish_into(self, warehouse: Warehouse, folder: Path, run_id: str) -> AuditReport:
        report = self.sync(run_id).publish_into(warehouse, folder).report
        assert report is not None
        return report

    @contextmanager
    def warehouse(self):
        with (
            tempfile.TemporaryDirectory() as name,
            self.sync("any").open_warehouse(Path(name)) as warehouse,
        ):
            yield warehouse, Path(name)

    def ask(self, run_id: str) -> Question | None:
        """The question about what is held now, landed with a run."""
        with self.warehouse() as (warehouse, _):
            return self.sync(run_id).ask(warehouse)

    def remove(self, run_id: str, question: Question) -> AuditReport:
        """Approves a question that was landed with the run, and carries the removal out."""
        approval = Decision(digest=question.digest, sync_id=question.sync_id, choice="approved")
        land_decision(self.landed(run_id), approval)
        report = self.sync(run_id).remove().report
        assert report is not None
        return report

    def replay(self) -> Replayed:
        """Rebuilds the warehouse from what is landed."""
        replayed = self.sync("replay", mode="replay").publish().replayed
        assert replayed is not None
        return replayed

    def roll_forward(self) -> list[str]:
        """Finishes what was interrupted, as the run after it does."""
        with self.warehouse() as (warehouse, _):
            return self.sync("after").finish_interrupted(warehouse)

    def run(self, run_id: str, *, mode: str = "sync") -> AuditReport:
        """A whole run; returns what was published."""
        self.extract(run_id)
        self.audit(run_id, mode=mode)
        return self.publish(run_id)

    def with_(self, **changes: Any) -> "Cycle":
        return replace(self, **changes)

    # ---- where the warehouse is

    @property
    def database(self) -> str:
        assert self.postgres
        return self.postgres.database_of(self.home)

    @property
    def connection(self) -> ConnectionFields | None:
        """The connection `directory_warehouse`; its database is made where there is none."""
        if self.postgres is None:
            return None
        if not self.postgres.exists(self.database):
            self.postgres.create(self.database)
        return self.postgres.connection_of(self.database, self.role)

    def copied_to(self, home: Path) -> "Cycle":
        """The same deployment once more, warehouse included."""
        shutil.copytree(self.home, home)
        copy = self.with_(home=home, landing=self.landing and copied_landing(self.landing, home))
        if self.postgres and self.postgres.exists(self.database):
            self.postgres.create(copy.database, template=self.database)
        return copy

    def lose_warehouse(self) -> None:
        if self.postgres:
            self.postgres.drop(self.database)
        else:
            (self.home / "warehouse.duckdb").unlink()

    def restore_warehouse(self, backup: "Cycle") -> None:
        self.lose_warehouse()
        if self.postgres:
            self.postgres.create(self.database, template=backup.database)
        else:
            shutil.copy(backup.home / "warehouse.duckdb", self.home)

    # ---- what the warehouse holds

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, each value a question mark; tables without a schema are the dataset's."""
        dataset = self.switches.dataset
        if self.postgres:
            assert self.connection
            options = f"-csearch_path={dataset}"
            sql = sql.replace("?", "%s")
            return self.postgres.rows(sql, *values, database=self.database, options=options)
        with duckdb.connect(self.home / "warehouse.duckdb", read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            if database.execute(HAS_DATASET, [dataset]).fetchall():
                database.execute(f"USE {dataset}")
            return database.execute(sql, list(values)).fetchall()

    def dicts(self, sql: str, *, zone: str = "UTC") -> list[dict[str, Any]]:
        """Rows of a query, by the names of their columns, as a session in a time zone reads them."""
        if self.postgres:
            with self.postgres.connect(self.database) as connection, connection.cursor() as cursor:
                cursor.execute(f"SET TimeZone = '{zone}'")
                cursor.execute(sql)
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        with duckdb.connect(self.home / "warehouse.duckdb", read_only=True) as database:
            database.execute(f"SET TimeZone = '{zone}'")
            found = database.execute(sql)
            return [
                dict(zip([column[0] for column in found.description], row, strict=True))
                for row in found.fetchall()
            ]

    def tables(self) -> dict[str, tuple[list[str], list[str]]]:
        """Every table and view of the dataset: its columns and its rows, sorted; but for dlt's own, and for
        `_directory_publications`."""
        found = {}
        dataset = self.switches.dataset
        names = self.query(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = ? AND NOT starts_with(table_name, '_d') ORDER BY 1",
            dataset,
        )
        for (name,) in names:
            columns = [
                column
                for (column,) in self.query(
                    "SELECT column_name FROM information_schema.columns "
                    "WHERE table_schema = ? AND table_name = ? ORDER BY 1",
                    dataset,
                    name,
                )
                if not column.startswith("_dlt")
            ]
            listed = ", ".join(f'"{column}"' for column in columns)
            rows = self.query(f'SELECT {listed or "NULL"} FROM "{name}"')
            found[name] = (columns, sorted(map(repr, rows)))
        return found

    def tables_without_views(self) -> dict[str, tuple[list[str], list[str]]]:
        """The same without the views, whose columns follow the warehouse and the steps of the form."""
        views = self.query(
            "SELECT table_name FROM information_schema.views WHERE table_schema = ?", self.switches.dataset
        )
        return {name: table for name, table in self.tables().items() if (name,) not in views}

    def ids(self, condition: str = "_removed_at IS NULL") -> set[Any]:
        return {row[0] for row in self.query(f"SELECT id FROM {RESOURCE} WHERE {condition}")}

    def changes(self, run_id: str) -> list[tuple[Any, str]]:
        """(id, kind) of the change rows of a run, by id."""
        return self.query(
            f"SELECT id, kind FROM {RESOURCE}_changes WHERE sync_id = "
            "(SELECT sync_id FROM directory_syncs WHERE run_id = ?) ORDER BY id",
            run_id,
        )


class _Parts:
    """What the stages of one run work with: the deployment's."""

    def __init__(
        self, cycle: Cycle, run: Run, *, in_flight: int, read_page: Callable[[int], Page] | None
    ) -> None:
        self._cycle, self._in_flight, self._read_page = cycle, in_flight, read_page
        self.run, self.raised_limits = run, cycle.raised_limits
        self.resource_names, self.resources = {RESOURCE}, (cycle.of_form,)
        self.owner = Owner(name=cycle.directory, formerly=cycle.formerly) if cycle.directory else None

    @property
    def settings(self) -> SyncSettings:
        return replace(self._cycle.switches, requests_in_flight=self._in_flight)

    @property
    def resource(self) -> Resource:
        return self._cycle.of_form

    @property
    def limits(self) -> RemovalLimits:
        return self._cycle.limits

    @property
    def landing(self) -> Landing:
        return Landing(self._cycle.place)

    @property
    def landed(self) -> LandedSnapshot:
        return self._cycle.landed(self.run.run_id)

    @property
    def warehouse(self) -> ConnectionFields | None:
        return self._cycle.connection

    def open_client(
        self, resource: Resource, *, share_of: int, connections: int, number: int = 0
    ) -> DirectoryClient:
        client = self._cycle.client(resource, connections=connections)
        if self._read_page is not None:
            client.page = self._read_page  # type: ignore[method-assign]
        return client


def child_process(body: str, *arguments: Any) -> "subprocess.Popen[str]":
    """Starts Python with the project's paths; `body` finds its arguments as `args`."""
    root = Path(__file__).parents[2]
    code = f"import json, sys; args = json.loads(sys.argv[1])\n{body}"
    environment = {**os.environ, "PYTHONPATH": f"{root / 'plugins'}{os.pathsep}{root}"}
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments, default=str)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
