"""Every statement of the warehouse is one that dlt's warehouses take."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dlt
import pytest
import sqlglot
from dlt.common.schema import Schema
from dlt.destinations.sql_client import SqlClientBase
from sqlglot import exp

from directory_sync.config.form import Resource, parse_form
from directory_sync.warehouse.destinations import DuckDBFile
from directory_sync.warehouse.record_fields import RecordFields
from directory_sync.warehouse.warehouse import Warehouse

AT = datetime(2026, 1, 2, tzinfo=UTC)
DIALECTS = {
    "duckdb": dlt.destinations.duckdb,
    "postgres": dlt.destinations.postgres,
    "snowflake": dlt.destinations.snowflake,
    "bigquery": dlt.destinations.bigquery,
    "redshift": dlt.destinations.redshift,
}
ROWS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("newly_held", [(AT,)]),
    (" is null and ", [("b", AT), ("Z", AT), ("é", AT), ("B", AT), ("a", AT)]),
    ("select 'typed'", [("a", None)]),
    ('"snapshot_at" > %s', [("sync",)]),
    *((f"people{quote} limit 1", [(1,)]) for quote in '"`'),
    ('select "entries"', [(3,)]),
]
"""What the fake answers to a statement that holds the first word."""


class Asked(SqlClientBase[None]):
    """Quotes as the dialect does, keeps each statement, answers a few."""

    def __init__(self, dialect: str) -> None:
        super().__init__(None, "directory", "directory_staging", DIALECTS[dialect]().capabilities())
        self.statements: list[str] = []

    def execute_sql(self, sql: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        assert sql.count("%s") == len(args)
        self.statements.append(sql.replace("%s", "NULL"))
        asked = sql.lower().replace("`", '"')
        return next((rows for word, rows in ROWS if word in asked), [])

    @contextmanager
    def execute_query(self, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        raise NotImplementedError

    open_connection = close_connection = begin_transaction = native_connection = execute_query
    _make_database_exception = staticmethod(lambda e: e)


class Answered(DuckDBFile):
    """A destination that reads its batches from the fake."""

    is_transactional = False
    dialect = None

    def batches(self, client: Any, sql: str, values: Any, rows: int) -> Iterator[Any]:
        if answered := client.execute_sql(sql, *values):
            yield answered


class Indexed(Answered):
    """The same, of a warehouse with indexes."""

    has_indexes = True


TABLES = {
    "people": {
        "name": "people",
        "columns": {"name": {"data_type": "text"}, "_removed_at": {"data_type": "timestamp"}},
    },
    "people_changes": {"name": "people_changes", "columns": {}},
    "people__phones": {
        "name": "people__phones",
        "parent": "people",
        "columns": {"_dlt_parent_id": {"name": "_dlt_parent_id", "parent_key": True}},
    },
}


def pipeline(*columns: str) -> Any:
    """What is asked of dlt's pipeline: the tables, and the columns of `directory_syncs` that are there."""
    schema = SimpleNamespace(tables=TABLES | {"directory_syncs": {"columns": {name: {} for name in columns}}})
    return SimpleNamespace(
        default_schema_name="directory",
        schemas={"directory": schema},
        default_schema=schema,
        _get_schema_or_create=lambda: Schema("directory"),
    )


NEW, OLD = pipeline("publication_order", "directory"), pipeline()
"""A table of this version, and one of the first release."""


@pytest.fixture(params=["id", ["site.code", "Number"]], ids=["one field", "several"])
def resource(request: pytest.FixtureRequest) -> Resource:
    endpoint = {"path": "/x", "data_selector": "data", "paginator": {"type": "offset", "limit": 100}}
    return parse_form(
        {
            "client": {
                "base_url": "https://api.example.com",
                "auth": {"type": "oauth2"},
            },
            "resources": [
                {
                    "name": "people",
                    "primary_key": request.param,
                    "write_disposition": "merge",
                    "endpoint": endpoint,
                }
            ],
        }
    )[0]


def ask_everything(warehouse: Warehouse, resource: Resource) -> None:
    warehouse.last_sync(resource.name)
    warehouse.last_snapshot(resource.name)
    warehouse.recent_syncs(resource.name, at_most=7)
    warehouse.places(resource.name, at_most=7)
    warehouse.ahead_of(resource.name, AT)
    warehouse.now()
    warehouse.entries_at(resource.name, AT)
    warehouse.sync("sync")
    warehouse.last_asked(resource)
    warehouse.has_interval_after(resource.name, AT)
    warehouse.held_moments(resource)
    warehouse.present(resource)
    warehouse.unfinished_syncs(resource)
    warehouse.create_views(resource, RecordFields())
    warehouse.logged_records(resource, at_most=7)
    warehouse.begun("sync")
    warehouse.roll_back(resource, "sync")
    list(warehouse.held(resource))
    for batches in (
        warehouse.changed_after(resource, AT),
        warehouse.states(resource),
        warehouse.last_changes(resource),
        warehouse.last_changes(resource, ["a", "b"]),
        warehouse.changes(resource, "sync", ("sync_id", "id")),
    ):
        next(batches, None)


QUESTIONS = {
    "last_sync", "last_snapshot", "recent_syncs", "sync", "last_asked", "has_interval_after", "held_moments",
    "present", "unfinished_syncs", "create_views", "logged_records", "begun", "held", "changed_after",
    "states", "last_changes", "changes", "places", "ahead_of", "now", "roll_back", "entries_at",
}  # fmt: skip
NO_STATEMENT = {
    "file_format", "merge_strategy", "storable", "is_transactional", "settings", "room",
    "forget_dropped_tables", "has_column", "column_of", "address", "bulk_format", "schema",
}  # fmt: skip
TRIED_FOR_REAL = {"load", "assert_expected"}
"""They check what dlt has staged, on DuckDB and PostgreSQL."""


def warehouse_of(client: Asked, *, of: Any = NEW, dialect: str = "") -> Warehouse:
    kind = Indexed if dialect == "postgres" else Answered
    return Warehouse(of, client, kind(None, None, None))


@pytest.mark.parametrize("of", [NEW, OLD], ids=["this version's", "the first release's"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_is_valid_in_the_dialect(dialect: str, of: Any, resource: Resource) -> None:
    client = Asked(dialect)
    ask_everything(warehouse_of(client, of=of, dialect=dialect), resource)
    for sql in client.statements:
        [parsed] = sqlglot.parse(sql, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Select | exp.Create | exp.Update | exp.Delete), sql
        assert not list(parsed.find_all(exp.Command, exp.Anonymous)), sql


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_name_of_a_table_or_column_of_ours_is_quoted(dialect: str, resource: Resource) -> None:
    client = Asked(dialect)
    ask_everything(warehouse_of(client, dialect=dialect), resource)
    for sql in client.statements:
        parsed = sqlglot.parse_one(sql, dialect=dialect)
        names = [
            i
            for i in parsed.find_all(exp.Identifier)
            if i.name.lower() not in {"newest", "ranked", "versions", "logged", "later"}
        ]
        assert all(name.quoted for name in names), sql


def test_everything_that_asks_the_warehouse_is_checked() -> None:
    parts = [vars(part) for part in Warehouse.__mro__ if part is not object]
    asks = {name for part in parts for name in part if not name.startswith("_")}
    assert asks == QUESTIONS | NO_STATEMENT | TRIED_FOR_REAL


class Counted(dict[str, Any]):
    """dlt's schemas, which it reads from a file each time that one is asked for."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        self.reads += 1
        return super().__getitem__(name)


def test_the_columns_of_the_syncs_are_looked_up_once(resource: Resource) -> None:
    of = pipeline("publication_order", "directory", "format_version")
    of.schemas = Counted(of.schemas)
    ask_everything(warehouse_of(Asked("duckdb"), of=of), resource)
    assert of.schemas.reads == 1


def test_a_column_that_a_publication_adds_is_seen(resource: Resource) -> None:
    of = pipeline("directory")
    client = Asked("duckdb")
    warehouse = warehouse_of(client, of=of)
    warehouse.last_sync(resource.name)
    assert "publication_order" not in client.statements[-1]
    of.schemas["directory"].tables["directory_syncs"]["columns"]["publication_order"] = {}
    warehouse.last_snapshot(resource.name)
    assert "publication_order" in client.statements[-1]


def test_held_entries_come_in_one_order_whatever_the_warehouse_sorts_by(resource: Resource) -> None:
    """A digest over them binds an approval; the audit's own database sorts by code points."""
    held = warehouse_of(Asked("postgres")).held(resource)
    assert [entry_id for entry_id, _ in held] == ["B", "Z", "a", "b", "é"]


def test_a_batch_whose_values_are_null_throughout_keeps_its_types() -> None:
    [batch] = warehouse_of(Asked("postgres"))._arrow(("id", "missing_since"), "SELECT 'typed'")
    assert str(batch.schema.field("missing_since").type) == "timestamp[us, tz=UTC]"
