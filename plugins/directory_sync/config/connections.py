"""An Airflow connection as plain data, or why it cannot be read; its values stand in no message."""

import json
from typing import Any, NoReturn, Protocol

from directory_sync.config.settings import ConnectionFields, environment_connection
from directory_sync.errors import ConfigError

TEXTS = ("conn_type", "host", "schema", "login", "password")
KEYS = frozenset({*TEXTS, "port", "extra", "description", "uri"})


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
