"""An Airflow connection as plain data, or the error that says why it cannot be read.

No message contains a value of a connection.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from directory_sync.errors import ConfigError

API_CONNECTION = "directory_api"
WAREHOUSE_CONNECTION = "directory_warehouse"
LANDING_CONNECTION = "directory_landing"
TEXTS = ("conn_type", "host", "schema", "login", "password")
KEYS = frozenset({*TEXTS, "port", "extra", "description", "uri"})


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """An Airflow connection as plain data, from any secrets backend.

    The attributes have the names and meanings of Airflow's own; empty texts stand for absent values.
    """

    conn_id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    schema: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """The path of a connection to a file or folder: from the extra, from the host, or from a URI.

        Airflow stores the path of a URI, such as `duckdb:///data/warehouse.duckdb`, as the schema.
        """
        return str(self.extra.get("path") or self.host or (self.schema and f"/{self.schema.lstrip('/')}"))

    @property
    def said(self) -> dict[str, Any]:
        """The extra under the names that Airflow's providers document, with empty values dropped.

        Older connections have a prefix with their type in each name. Airflow's connection form also stores
        fields that were left empty or unticked.
        """
        prefix = f"extra__{self.conn_type}__"
        named = sorted(self.extra.items(), key=lambda item: not item[0].startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in named if value not in ("", None, False)}


class AirflowConnection(Protocol):
    """The attributes of Airflow's own class that are read."""

    conn_type: Any
    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any
    extra: Any

    @property
    def extra_dejson(self) -> Any:
        """The extra, parsed. Airflow registers its secrets with the log masker when this is read."""


def fields_of(conn_id: str, found: AirflowConnection) -> ConnectionFields:
    """Returns a connection as plain data.

    Raises:
        ConfigError: a field is not a text, or the extra is not a JSON object.
    """
    for name in TEXTS:
        _check_text(conn_id, name, getattr(found, name))
    if found.extra:
        _check_extra(conn_id, found.extra)
    return ConnectionFields(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port or None,
        schema=found.schema or "",
        login=found.login or "",
        password=found.password or "",
        extra=found.extra_dejson if found.extra else {},
    )


def check_unread(conn_id: str) -> None:
    """Checks that a connection which Airflow has not found is really absent.

    Airflow ignores an environment variable that it cannot parse and reports no connection. Without this
    check the default warehouse or the default landing zone would be used silently.

    Raises:
        ConfigError: the environment variable is set; the message names what is wrong with it.
    """
    variable, text = environment_connection(conn_id)
    if text is None:
        return
    if text.lstrip().startswith("{"):
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if given is None:
            _refuse(conn_id, f"{variable} is not valid JSON")
        for name in TEXTS:
            _check_text(conn_id, name, given.get(name))
        if given.get("extra") and not isinstance(given["extra"], dict):
            _check_extra(conn_id, given["extra"])
        if given.keys() - KEYS:
            _refuse(conn_id, f"{variable} has an unknown key; valid: {', '.join(sorted(KEYS))}")
    _refuse(conn_id, f"{variable} is set, and Airflow cannot read it")


def _check_text(conn_id: str, name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        kind = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
        what = kind.get(type(value), "not a text")
        _refuse(conn_id, f"its {name} is {what} where a text is needed; in JSON, put it in quotes")


def _check_extra(conn_id: str, extra: Any) -> None:
    try:
        given = json.loads(extra)
    except (TypeError, ValueError):
        given = None
    if not isinstance(given, dict):
        _refuse(conn_id, 'its extra is not a JSON object, such as {"scope": "read"}')


def _refuse(conn_id: str, what: str) -> NoReturn:
    # Raised outside of every `except`: the exceptions of the parsers hold the text, which has secrets.
    raise ConfigError(f"The connection `{conn_id}` cannot be read: {what}. Nothing was done. Correct it.")


def refuse_unknown(
    connection: ConnectionFields,
    known: Collection[str],
    *,
    outcome: str,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Refuses an unsupported key of the extra, such as `verify_tls`, instead of ignoring it.

    Args:
        connection: the connection whose extra is checked.
        known: the supported keys.
        outcome: the sentence of the message that says what was not done.
        given: the extra to check; None: `ConnectionFields.said`.

    Raises:
        ConfigError: there is an unsupported key. The message has the key, not its value.
    """
    if unknown := sorted((connection.said if given is None else given).keys() - set(known)):
        raise ConfigError(
            f"`{unknown[0]}` in the extra of the connection `{connection.conn_id}` is not supported; "
            f"valid: {', '.join(sorted(known))}. {outcome}"
        )


def missing_connection(conn_id: str) -> ConfigError:
    """Returns the error for a source connection that does not exist."""
    return ConfigError(
        f"There is no connection `{conn_id}`. Create one of the type `directory_api` (host = base URL, "
        "login and password = client id and secret, or what else its sign-in needs: docs/sign-in.md), or set "
        f"AIRFLOW_CONN_{conn_id.upper()}. Nothing was requested."
    )


def environment_connection(conn_id: str) -> tuple[str, str | None]:
    """Returns the name of the environment variable for a connection, and its text; None: it is not set."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    return variable, os.environ.get(variable)
