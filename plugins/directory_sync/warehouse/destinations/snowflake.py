"""Snowflake: mapped from a connection in the form of Airflow's own provider."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.warehouse.destinations.mapped import MappedWarehouse

if TYPE_CHECKING:
    from dlt.destinations.impl.snowflake.configuration import SnowflakeCredentials

CREDENTIALS = (
    "account", "authenticator", "database", "private_key_content", "private_key_file", "region", "role",
    "token", "warehouse", "workload_identity_provider",
)  # fmt: skip
CONNECTOR = ("host", "port", "proxy_host", "proxy_password", "proxy_port", "proxy_user", "session_parameters")
"""The keys of the extra that are passed to the connector unchanged."""


class Snowflake(MappedWarehouse):
    """A Snowflake database. The connection has login, password and an extra.

    The extra has account, database, warehouse and role, see docs/warehouses.md.
    """

    conn_type = "snowflake"
    client_module, extra_of_dlt = "snowflake.connector", "snowflake"
    # From Parquet, dlt would load a `json` column as a text within a VARIANT.
    file_format = "jsonl"
    # Deletes and inserts would be two transactions: dlt creates a temporary table between, which commits.
    merge_strategy = "upsert"

    @property
    def address(self) -> tuple[str, str]:
        """The account, and the database."""
        credentials = self.credentials
        return f"snowflake://{credentials.host}", str(credentials.database)

    def destination(self) -> Any:
        """Returns dlt's destination."""
        return dlt.destinations.snowflake(self.credentials)

    @property
    def credentials(self) -> "SnowflakeCredentials":
        """The connection as dlt's credentials. Its schema is not used: the dataset is the schema."""
        from dlt.destinations.impl.snowflake.configuration import SnowflakeCredentials

        extra = self.known_extra((*CREDENTIALS, *CONNECTOR))
        if lacking := [name for name in ("account", "database") if name not in extra]:
            raise self._refusal(f"`{lacking[0]}` in the extra of {self._where} is empty")
        assert self._connection is not None
        key, password = self._private_key(extra), self._connection.password or None
        authenticator, token = extra.get("authenticator"), extra.get("token")
        if authenticator == "programmatic_access_token":
            token = token or password
        if not (key or password or token or extra.get("workload_identity_provider")):
            raise self._refusal(f"{self._where.capitalize()} has no password, no private key and no token")
        region = f".{extra['region']}" if "region" in extra else ""
        return SnowflakeCredentials(
            {
                "host": f"{extra['account']}{region}",
                "database": extra["database"],
                "username": self.field("login"),
                "password": None if key else password,
                "private_key": key,
                "private_key_passphrase": password if key else None,
                "authenticator": authenticator,
                "token": token,
                "workload_identity_provider": extra.get("workload_identity_provider"),
                "warehouse": extra.get("warehouse"),
                "role": extra.get("role"),
                "query": {name: extra[name] for name in CONNECTOR if name in extra},
            }
        )

    def _private_key(self, extra: dict[str, Any]) -> str | None:
        """Returns the private key, because dlt 1.31 ignores a `private_key_path`; None: there is none."""
        path, content = extra.get("private_key_file"), extra.get("private_key_content")
        if path and content:
            raise self._refusal(
                f"`private_key_file` and `private_key_content` of {self._where} exclude each other"
            )
        if not path:
            return content
        try:
            return Path(path).read_text("ascii")
        except (OSError, ValueError) as e:
            reason = type(e).__name__
        raise self._refusal(f"The `private_key_file` of {self._where} cannot be read as PEM ({reason})")
