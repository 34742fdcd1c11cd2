"""What lineage calls the API and the tables. What OpenLineage emits of a run: tests/e2e/test_lineage.py."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset

from directory_sync.airflow.compat import hook_lineage_collector
from directory_sync.airflow.lineage import API_SCHEME, TABLE_SCHEME, to_openlineage
from directory_sync.airflow.provider import get_provider_info
from directory_sync.airflow.tasks import asset_of
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.directory import Directory
from directory_sync.config.settings import SyncSettings
from directory_sync.warehouse.destinations import destination_of
from directory_sync.warehouse.written import Written
from tests.dag_file import directory as the_form

SECRET = "not-a-real-secret"
CONNECTIONS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "duckdb": ({"host": "/data/warehouse.duckdb"}, ("duckdb:///data/warehouse.duckdb", "warehouse")),
    "postgres": (
        {"host": "db.example.org", "schema": "analytics", "extra": {"sslmode": "require"}},
        ("postgres://db.example.org:5432", "analytics"),
    ),
    "snowflake": (
        {"extra": {"account": "org-account", "database": "ANALYTICS"}},
        ("snowflake://org-account", "ANALYTICS"),
    ),
    "google_cloud_platform": ({"extra": {"project": "a-project"}}, ("bigquery", "a-project")),
}


@pytest.mark.parametrize("conn_type", CONNECTIONS)
def test_each_warehouse_has_the_names_of_openlineage_without_its_login(conn_type: str) -> None:
    fields, address = CONNECTIONS[conn_type]
    connection = ConnectionFields(
        conn_id="directory_warehouse", conn_type=conn_type, login="loader", password=SECRET, **fields
    )
    assert destination_of(connection, SyncSettings(home=Path("/")), folder=Path("/")).address == address


def test_a_table_without_a_database_is_named_by_its_schema() -> None:
    written = Written(namespace="other", database="", dataset="directory", tables={})
    assert written.path_of("people") == ["directory", "people"]


def test_airflow_knows_our_schemes_and_what_explains_them() -> None:
    [uris] = get_provider_info()["asset-uris"]
    assert uris["schemes"] == [API_SCHEME, TABLE_SCHEME]
    assert uris["to_openlineage_converter"] == f"{to_openlineage.__module__}.{to_openlineage.__name__}"


def test_an_asset_of_ours_becomes_the_dataset_that_its_extra_names() -> None:
    extra = {"namespace": "postgres://db:5432", "name": "a.directory.people", "columns": {"id": "bigint"}}
    found = to_openlineage(Asset(uri=f"{TABLE_SCHEME}://db:5432/a/directory/people", extra=extra), None)
    assert (found.namespace, found.name) == (extra["namespace"], extra["name"])
    assert [(field.name, field.type) for field in found.facets["schema"].fields] == [("id", "bigint")]


def test_nothing_is_collected_where_no_plugin_reads_it() -> None:
    assert hook_lineage_collector() is None


def test_the_asset_says_what_it_is() -> None:
    directory = Directory(form=the_form)
    asset = asset_of(directory, directory.declared_resources()[0])
    assert asset.extra["description"].startswith("The entries that the connection directory_api reads")
    assert "directory.directory_resource" in asset.extra["description"]
