"""Says where Airflow found a connection: only what the task can know for certain.

A task asks the secrets backend of its configuration first, then its own environment, then Airflow's API
server. The API server does not say where it looked: it asks its own backend and environment before its
database.
"""

import json

from airflow.configuration import conf

from directory_sync.config.connections import ConnectionFields, environment_connection

BACKEND_OPTIONS = (("workers", "secrets_backend"), ("secrets", "backend"))
"""The options of Airflow's configuration that name a task's secrets backend, in their order."""

FROM_SERVER = "Airflow's database (Admin, Connections), or what its API server asks before it"


def found_in(connection: ConnectionFields) -> str:
    """Returns in words where a connection was found.

    Args:
        connection: the connection as Airflow returned it.
    """
    variable, text = environment_connection(connection.conn_id)
    is_set = text is not None and _may_be(connection, text)
    backends = (str(conf.get(*option, fallback="") or "") for option in BACKEND_OPTIONS)
    backend = next((name.rpartition(".")[2] for name in backends if name), None)
    last = f"the environment variable {variable}" if is_set else FROM_SERVER
    return f"the secrets backend {backend}, else {last}" if backend else last


def _may_be(connection: ConnectionFields, text: str) -> bool:
    """Tells whether a variable holds the connection. Airflow ignores one that it cannot read."""
    if not text.lstrip().startswith("{"):
        return True
    try:
        given = json.loads(text)
    except ValueError:
        return False
    return isinstance(given, dict) and (given.get("host") or "") == connection.host
