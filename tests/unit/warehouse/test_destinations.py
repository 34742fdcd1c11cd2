"""A connection that names no warehouse we can open is refused, with what is missing in it."""

from pathlib import Path
from typing import Any

import pytest

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError
from directory_sync.warehouse.destinations import destination_of

GOOD = {
    "conn_type": "postgres",
    "host": "db.example.org",
    "schema": "analytics",
    "login": "loader",
    "password": "x",
}


def refusal(**changes: Any) -> str:
    connection = ConnectionFields(conn_id="directory_warehouse", **(GOOD | changes))
    with pytest.raises(ConfigError) as caught:
        destination_of(
            connection, SyncSettings(home=Path("/nowhere")), folder=Path("/nowhere")
        ).hold().__enter__()
    assert "Nothing was published" in str(caught.value)
    return str(caught.value)


def test_a_type_without_a_mapping_is_refused_and_the_others_are_named() -> None:
    assert "'mysql'; supported: duckdb, postgres, snowflake, google_cloud_platform" in refusal(
        conn_type="mysql"
    )


@pytest.mark.parametrize("field", ["host", "schema", "login"])
def test_a_postgres_connection_that_lacks_a_field_is_refused_by_its_name(field: str) -> None:
    assert f"The {field} of the connection `directory_warehouse` is empty" in refusal(**{field: ""})


def test_an_extra_that_cannot_be_honoured_is_refused_without_its_value() -> None:
    message = refusal(extra={"sslmode": "require", "iam_token": "s3cret"})
    assert "`iam_token`" in message
    assert "sslmode" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("host", ["", "warehouse.duckdb"])
def test_a_duckdb_connection_without_an_absolute_path_is_refused(host: str) -> None:
    assert "file" in refusal(conn_type="duckdb", host=host, schema="")
