"""An Airflow connection as plain data, or why it cannot be read; its values stand in no message."""

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
    """An Airflow connection as plain data, whatever backend held it."""

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
        """The path of a connection to a file or folder: its extra's, its host, or a URI's own.

        Airflow takes the path of a URI, such as `duckdb:///data/warehouse.duckdb`, for a schema.
        """
        return str(self.extra.get("path") or self.host or (self.schema and f"/{self.schema.lstrip('/')}"))

    @property
    def said(self) -> dict[str, Any]:
        """The extra under the names that Airflow's providers document, without what says nothing.

        Older connections have their type before each name; a form stores what was left empty or unticked.
        """
        prefix = f"extra__{self.conn_type}__"
        named = sorted(self.extra.items(), key=lambda item: not item[0].startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in named if value not in ("", None, False)}


class AirflowConnection(Protocol):
    """What is read of Airflow's own class."""

    conn_type: Any
    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any
    extra: Any

    @property
    def extra_dejson(self) -> Any:
        """The extra, parsed; Airflow masks its secrets meanwhile."""


def fields_of(conn_id: str, found: AirflowConnection) -> ConnectionFields:
    """Returns a connection as plain data.

    Raises:
        ConfigError: a field is no text, or the extra is no JSON object.
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
    """Looks for the reason why Airflow has not found a connection.

    Airflow passes over a variable of the environment that it cannot read, and finds no connection: a
    warehouse or a landing zone would silently be the default one.

    Raises:
        ConfigError: the variable is there; the message names what is wrong with it.
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
            _refuse(conn_id, f"{variable} is no JSON")
        for name in TEXTS:
            _check_text(conn_id, name, given.get(name))
        if given.get("extra") and not isinstance(given["extra"], dict):
            _check_extra(conn_id, given["extra"])
        if given.keys() - KEYS:
            _refuse(conn_id, f"{variable} has a key that no connection has; valid: {', '.join(sorted(KEYS))}")
    _refuse(conn_id, f"{variable} is set, and Airflow cannot read it")


def _check_text(conn_id: str, name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        kind = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
        what = kind.get(type(value), "no text")
        _refuse(conn_id, f"its {name} is {what} where a text is needed; in JSON, put it in quotes")


def _check_extra(conn_id: str, extra: Any) -> None:
    try:
        given = json.loads(extra)
    except (TypeError, ValueError):
        given = None
    if not isinstance(given, dict):
        _refuse(conn_id, 'its extra is no JSON object, such as {"scope": "read"}')


def _refuse(conn_id: str, what: str) -> NoReturn:
    # Raised where no exception is handled: those of the parsers hold the text.
    raise ConfigError(f"The connection `{conn_id}` cannot be read: {what}. Nothing was done. Correct it.")


def refuse_unknown(
    connection: ConnectionFields,
    known: Collection[str],
    *,
    outcome: str,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Refuses a key of the extra that would be ignored, such as `verify_tls`.

    Args:
        connection: whose extra.
        known: what can be honoured.
        outcome: what was not done, in a sentence.
        given: the extra as it is to be read; None: what it says, see `ConnectionFields.said`.

    Raises:
        ConfigError: there is such a key; it is named, its value is not.
    """
    if unknown := sorted((connection.said if given is None else given).keys() - set(known)):
        raise ConfigError(
            f"`{unknown[0]}` in the extra of the connection `{connection.conn_id}` cannot be honoured; "
            f"valid: {', '.join(sorted(known))}. {outcome}"
        )


def missing_connection(conn_id: str) -> ConfigError:
    """The error for a source connection that no backend has."""
    return ConfigError(
        f"There is no connection `{conn_id}`. Create one of the type `directory_api` (host = base URL, "
        f"login = client id, password = client secret) or set AIRFLOW_CONN_{conn_id.upper()}. Nothing was "
        "requested."
    )


def environment_connection(conn_id: str) -> tuple[str, str | None]:
    """Returns the name of the variable that may hold a connection, and its text; None: it is not set."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    return variable, os.environ.get(variable)
