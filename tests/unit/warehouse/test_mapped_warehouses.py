"""A connection of a warehouse that is only mapped becomes the credentials dlt loads with."""

import base64
import importlib.util
import json
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dlt.destinations.impl.bigquery.configuration import BigQueryClientConfiguration
from dlt.destinations.impl.redshift.configuration import RedshiftClientConfiguration
from dlt.destinations.impl.snowflake.configuration import SnowflakeClientConfiguration
from dlt.destinations.job_client_impl import SqlLoadJob
from dlt.destinations.sql_jobs import SqlMergeFollowupJob
from sqlglot import exp

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError
from directory_sync.warehouse.destinations import (
    DESTINATIONS,
    BigQuery,
    MappedWarehouse,
    Snowflake,
    destination_of,
    register,
)
from tests.unit.warehouse.test_warehouse_sql import Asked

DOCS = Path(__file__).resolve().parents[3] / "docs"
EXAMPLE = DOCS / "examples" / "warehouses" / "redshift.py"
SPECS = {
    "snowflake": SnowflakeClientConfiguration,
    "google_cloud_platform": BigQueryClientConfiguration,
    "redshift": RedshiftClientConfiguration,
}
SNOWFLAKE = {"account": "xy12345", "database": "analytics", "warehouse": "loading", "role": "loader"}
SERVICE_ACCOUNT = {
    "type": "service_account",
    "project_id": "keys-project",
    "private_key_id": "1",
    "private_key": "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n",
    "client_email": "loader@keys-project.iam.gserviceaccount.com",
    "client_id": "2",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}
PASSPHRASE = "pass phrase"


@pytest.fixture(autouse=True)
def _example() -> Any:
    """The example of the documentation, as a Dag file would import it."""
    before = dict(DESTINATIONS)
    spec = importlib.util.spec_from_file_location("redshift_example", EXAMPLE)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    DESTINATIONS.clear()
    DESTINATIONS.update(before)


def destination(conn_type: str, **fields: Any) -> Any:
    connection = ConnectionFields(conn_id="directory_warehouse", conn_type=conn_type, **fields)
    return destination_of(connection, SyncSettings(home=Path("/nowhere")), folder=Path("/nowhere"))


def configured(conn_type: str, **fields: Any) -> Any:
    """The configuration as dlt resolves it when it loads."""
    spec = SPECS[conn_type]()._bind_dataset_name("directory")
    return destination(conn_type, **fields).destination().configuration(spec)


def snowflake(extra: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """What Snowflake's own connector is given."""
    given = {"login": "loader", "password": "s3cret", **fields}
    resolved = configured("snowflake", extra={**SNOWFLAKE, **(extra or {})}, **given)
    return dict(resolved.credentials.to_connector_params())


def bigquery(**extra: Any) -> Any:
    return configured("google_cloud_platform", extra={"location": "EU", **extra})


def refusal(conn_type: str, **fields: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        destination(conn_type, **fields).destination()
    message = str(caught.value)
    assert "`directory_warehouse`" in message
    assert "Nothing was published" in message
    assert "s3cret" not in message
    return message


# ---- Snowflake


def test_a_snowflake_connection_becomes_the_connectors_parameters() -> None:
    assert snowflake() == {
        "account": "xy12345", "database": "analytics", "warehouse": "loading", "role": "loader",
        "user": "loader", "password": "s3cret", "timezone": "UTC", "application": "dltHub_dlt",
    }  # fmt: skip


def test_a_region_is_part_of_the_account() -> None:
    assert snowflake({"region": "eu-central-1"})["account"] == "xy12345.eu-central-1"


def test_names_with_the_forms_old_prefix_are_the_same() -> None:
    prefixed = {f"extra__snowflake__{name}": value for name, value in SNOWFLAKE.items()}
    resolved = configured("snowflake", login="loader", password="s3cret", extra=prefixed)
    assert resolved.credentials.to_connector_params() == snowflake()


def test_what_the_form_left_empty_or_unticked_says_nothing() -> None:
    assert snowflake({"insecure_mode": False, "refresh_token": "", "token": None}) == snowflake()


def test_session_parameters_reach_the_connector() -> None:
    assert snowflake({"session_parameters": {"QUERY_TAG": "x"}})["session_parameters"] == {"QUERY_TAG": "x"}


@pytest.fixture(scope="module")
def pem() -> tuple[bytes, bytes]:
    """A private key, encrypted as PEM and plain as DER."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encrypted = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    pkcs8 = serialization.PrivateFormat.PKCS8
    return (
        key.private_bytes(serialization.Encoding.PEM, pkcs8, encrypted),
        key.private_bytes(serialization.Encoding.DER, pkcs8, serialization.NoEncryption()),
    )


@pytest.mark.parametrize("form", ["file", "content", "content in base64"])
def test_a_private_key_is_opened_with_the_password(
    form: str, pem: tuple[bytes, bytes], tmp_path: Path
) -> None:
    encrypted, plain = pem
    (tmp_path / "key.p8").write_bytes(encrypted)
    extra = {
        "file": {"private_key_file": str(tmp_path / "key.p8")},
        "content": {"private_key_content": encrypted.decode()},
        "content in base64": {"private_key_content": base64.b64encode(encrypted).decode()},
    }[form]
    given = snowflake(extra, password=PASSPHRASE)
    assert (given["private_key"], given["password"]) == (plain, None)
    assert PASSPHRASE not in given.values()


def test_an_access_token_as_password_is_a_token_too() -> None:
    given = snowflake({"authenticator": "programmatic_access_token"})
    assert (given["token"], given["authenticator"]) == ("s3cret", "programmatic_access_token")


@pytest.mark.parametrize("name", ["account", "database"])
def test_a_snowflake_connection_that_lacks_a_name_is_refused_by_it(name: str) -> None:
    extra = {key: value for key, value in SNOWFLAKE.items() if key != name}
    assert f"`{name}` in the extra" in refusal("snowflake", login="a", password="s3cret", extra=extra)


def test_a_snowflake_connection_without_any_secret_is_refused() -> None:
    message = refusal("snowflake", login="loader", extra=SNOWFLAKE)
    assert "has no password, no private key and no token" in message


def test_a_snowflake_connection_without_a_login_is_refused() -> None:
    assert "The login of" in refusal("snowflake", password="s3cret", extra=SNOWFLAKE)


@pytest.mark.parametrize("name", ["insecure_mode", "refresh_token", "azure_conn_id"])
def test_what_dlt_cannot_honour_for_snowflake_is_refused_without_its_value(name: str) -> None:
    extra = {**SNOWFLAKE, name: "s3cret"}
    assert f"`{name}`" in refusal("snowflake", login="a", password="b", extra=extra)


def test_two_private_keys_exclude_each_other() -> None:
    extra = {**SNOWFLAKE, "private_key_file": "/k", "private_key_content": "s3cret"}
    assert "exclude each other" in refusal("snowflake", login="a", extra=extra)


def test_a_private_key_file_that_cannot_be_read_is_named_by_its_field() -> None:
    extra = {**SNOWFLAKE, "private_key_file": "/nowhere/s3cret"}
    assert "`private_key_file`" in refusal("snowflake", login="a", extra=extra)


# ---- BigQuery


@pytest.mark.parametrize("form", ["text", "mapping", "file"])
def test_a_service_accounts_key_becomes_the_credentials(form: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(SERVICE_ACCOUNT))
    given = {
        "text": {"keyfile_dict": json.dumps(SERVICE_ACCOUNT)},
        "mapping": {"keyfile_dict": SERVICE_ACCOUNT},
        "file": {"key_path": str(tmp_path / "key.json")},
    }[form]
    resolved = bigquery(**given).credentials
    for name in ("project_id", "private_key", "client_email", "token_uri"):
        assert resolved[name] == SERVICE_ACCOUNT[name]
    assert resolved.is_resolved()


def test_the_project_of_the_connection_goes_before_the_keys() -> None:
    resolved = bigquery(keyfile_dict=SERVICE_ACCOUNT, project="warehouse-project")
    assert (resolved.project_id, resolved.credentials.project_id) == ("warehouse-project",) * 2


def test_the_old_forms_prefix_means_the_same() -> None:
    prefix = "extra__google_cloud_platform__"
    resolved = bigquery(**{f"{prefix}keyfile_dict": json.dumps(SERVICE_ACCOUNT), f"{prefix}num_retries": 5})
    assert resolved.credentials.client_email == SERVICE_ACCOUNT["client_email"]


def test_the_location_is_the_connections() -> None:
    assert bigquery(keyfile_dict=SERVICE_ACCOUNT).location == "EU"


def test_a_connection_without_a_location_is_refused() -> None:
    """Where dlt would take the US."""
    message = refusal("google_cloud_platform", extra={"keyfile_dict": SERVICE_ACCOUNT})
    assert "`location`" in message


def test_without_a_key_and_without_an_account_of_the_machine_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    message = refusal("google_cloud_platform", extra={"location": "EU", "project": "p"})
    assert "Application Default Credentials" in message


def test_without_a_key_the_credentials_wait_for_the_machines_own_account() -> None:
    credentials = destination("google_cloud_platform", extra={"project": "p"}).credentials
    assert (credentials.project_id, credentials.private_key, credentials.is_partial()) == ("p", None, True)


@pytest.mark.parametrize(
    "key", ["s3cret", "{}", '{"type": "authorized_user", "refresh_token": "s3cret"}', '["s3cret"]']
)
def test_a_key_that_is_no_service_accounts_is_refused_without_its_text(key: str) -> None:
    message = refusal("google_cloud_platform", extra={"location": "EU", "keyfile_dict": key})
    assert "holds no service account's key" in message


def test_a_key_file_that_cannot_be_read_is_named_by_its_field() -> None:
    extra = {"location": "EU", "key_path": "/nowhere/s3cret"}
    assert "`key_path`" in refusal("google_cloud_platform", extra=extra)


@pytest.mark.parametrize("name", ["impersonation_chain", "key_secret_name", "credential_config_file"])
def test_what_dlt_cannot_honour_for_bigquery_is_refused_without_its_value(name: str) -> None:
    extra = {"location": "EU", name: "s3cret"}
    assert f"`{name}`" in refusal("google_cloud_platform", extra=extra)


# ---- the example of the documentation


def test_the_examples_connection_becomes_redshifts_credentials() -> None:
    fields = {"host": "cluster.example.org", "schema": "analytics", "login": "loader", "password": "s3cret"}
    credentials = configured("redshift", **fields, extra={"sslmode": "verify-full"}).credentials
    assert (credentials.host, credentials.port, credentials.database) == (
        "cluster.example.org",
        5439,
        "analytics",
    )
    assert (credentials.username, credentials.password) == ("loader", "s3cret")
    assert credentials.query["sslmode"] == "verify-full"


def test_the_example_refuses_an_empty_field_by_its_name() -> None:
    assert "The schema of" in refusal("redshift", host="h", login="a", password="b")


def test_a_class_of_ones_own_opens_the_connections_of_its_type() -> None:
    class Own(Snowflake):
        conn_type = "own"

    register(Own)
    assert isinstance(destination("own"), Own)


def test_the_guide_shows_the_example_as_it_stands() -> None:
    assert EXAMPLE.read_text() in (DOCS / "warehouses.md").read_text()


@pytest.mark.parametrize("conn_type", ["duckdb", "postgres", "snowflake", "google_cloud_platform"])
def test_the_guide_says_of_each_whether_it_was_tested_and_what_it_lacks(conn_type: str) -> None:
    kind = DESTINATIONS[conn_type]
    [row] = re.findall(
        rf"^\| `{conn_type}`[^|]*\| (mapped only|tested)[^|]*\| (yes|no)[^|]*\|[^|]*\| (.*) \|$",
        (DOCS / "warehouses.md").read_text(),
        re.MULTILINE,
    )
    is_mapped = issubclass(kind, MappedWarehouse)
    needs = f"`dlt[{kind.extra_of_dlt}]`" if is_mapped else "nothing"
    assert row == (
        "mapped only" if is_mapped else "tested",
        "yes" if kind.is_transactional else "no",
        needs,
    )


# ---- what is missing on the machine


@pytest.mark.parametrize("kind", [Snowflake, BigQuery])
def test_a_package_that_is_missing_is_named_with_its_command(kind: type[MappedWarehouse]) -> None:
    @register
    class Absent(kind):  # type: ignore[misc, valid-type]
        conn_type = "absent"
        client_module = "not_installed.at_all"

    command = f'pip install "dlt[{kind.extra_of_dlt}]"'
    with pytest.raises(ConfigError, match=re.escape(command)):
        destination("absent").hold().__enter__()


def test_each_package_that_is_named_is_an_extra_of_dlts() -> None:
    kinds = [kind for kind in DESTINATIONS.values() if issubclass(kind, MappedWarehouse)]
    extras = metadata("dlt").get_all("Provides-Extra") or []
    assert {"snowflake", "bigquery", "redshift"} <= {kind.extra_of_dlt for kind in kinds} <= set(extras)


# ---- what dlt makes of a publication

CHAIN: Any = [
    {
        "name": "directory_resource",
        "write_disposition": "merge",
        "x-merge-strategy": "upsert",
        "x-stage-data-deduplicated": True,
        "columns": {
            "id": {"name": "id", "data_type": "text", "primary_key": True},
            "_dlt_id": {"name": "_dlt_id", "data_type": "text", "row_key": True, "unique": True},
        },
    },
    {
        "name": "directory_resource__codes",
        "parent": "directory_resource",
        "columns": {
            "code": {"name": "code", "data_type": "text"},
            "_dlt_id": {"name": "_dlt_id", "data_type": "text", "row_key": True, "unique": True},
            "_dlt_parent_id": {"name": "_dlt_parent_id", "data_type": "text", "parent_key": True},
            "_dlt_root_id": {"name": "_dlt_root_id", "data_type": "text", "root_key": True},
        },
    },
]
"""A table with a child table, as dlt describes them to its merge."""


def merge(dialect: str, strategy: str) -> list[exp.Expression]:
    """dlt's statements, parsed; Snowflake's and BigQuery's own merges differ from it in one alias."""
    chain = [{**CHAIN[0], "x-merge-strategy": strategy}, CHAIN[1]]
    statements = SqlMergeFollowupJob.generate_sql(chain, Asked(dialect))
    return [sqlglot.parse_one(sql.strip().rstrip(";"), dialect=dialect) for sql in statements]


@pytest.mark.parametrize("kind", [Snowflake, BigQuery])
def test_nothing_in_a_publication_commits_before_its_end(kind: type[MappedWarehouse]) -> None:
    """Snowflake commits at each DDL; within a transaction BigQuery takes it from no script of dlt's."""
    written = merge(kind.extra_of_dlt, kind.merge_strategy)
    assert [type(sql) for sql in written] == [exp.Merge, exp.Merge, exp.Delete]


def test_what_is_not_used_would_commit_between_deletes_and_inserts() -> None:
    written = [type(sql) for sql in merge("snowflake", "delete-insert")]
    assert written == [exp.Create, exp.Delete, exp.Delete, exp.Create, exp.Insert, exp.Insert]


def test_dlt_takes_a_column_for_ddl_where_its_name_holds_create() -> None:
    """Then it begins no transaction on BigQuery: why that one declares none."""
    job = SqlLoadJob("/nowhere/table.1.0.sql")
    found = [
        job._string_contains_ddl_statements(f"MERGE INTO d ... {name}") for name in ("name", "created_at")
    ]
    assert found == [False, True]
    assert [kind.is_transactional for kind in (Snowflake, BigQuery)] == [True, False]
