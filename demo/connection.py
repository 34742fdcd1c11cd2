"""The connection `directory_api` in the database of the demo's Airflow, where the interface edits it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

CONN_ID = "directory_api"


class Connections(Protocol):
    """What is asked of Airflow's REST interface; `AirflowApi` has it."""

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        """Returns a connection; None where there is none."""

    def add_connection(self, conn_id: str, fields: Mapping[str, Any]) -> None:
        """Writes a connection."""

    def edit_connection(self, conn_id: str, **fields: Any) -> None:
        """Changes some fields of a connection."""


class DemoConnection:
    """Writes the connection once. A person's edit stays: only a host that the demo wrote is written again.

    Args:
        note: the file that keeps which host the demo wrote last.

    Attributes:
        host: the base URL that it has now, as messages show it; empty before `place`.
        is_sandbox: whether the runs read the sandbox; False where a person has entered another base URL.
    """

    def __init__(self, note: Path) -> None:
        """Asks nothing yet."""
        self._note = note
        self.host, self.is_sandbox = "", True

    def place(self, airflow: Connections, fields: Mapping[str, str]) -> None:
        """Writes the connection to the sandbox where there is none, or its address where that has moved.

        Args:
            airflow: where it is written.
            fields: the connection to the sandbox, as Airflow's environment variables have it.
        """
        host = fields["host"]
        found = airflow.connection(CONN_ID)
        if found is None:
            airflow.add_connection(CONN_ID, fields)
        elif found["host"] == self._written():
            if found["host"] != host:
                airflow.edit_connection(CONN_ID, host=host)
        else:
            self.host, self.is_sandbox = _shown(found["host"] or ""), found["host"] == host
            return
        self._note.write_text(json.dumps({"host": host}))
        self.host, self.is_sandbox = host, True

    def _written(self) -> str | None:
        written: str | None = json.loads(self._note.read_text())["host"] if self._note.exists() else None
        return written


def _shown(host: str) -> str:
    """Returns an address without user, password and query."""
    parts = urlsplit(host)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else "(none)"
