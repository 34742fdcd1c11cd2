"""Parses a folder of Dag files as Airflow does, and tells what that did: run in a process of its own.

    python parse_probe.py FOLDER

Prints one line of JSON. Every connection that is opened and every look-up of a connection, Variable or
configuration in a secrets backend is recorded; the environment's own backend is asked first and has none.
"""

import json
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from airflow.secrets.base_secrets import BaseSecretsBackend

PARSES = 3
RECORDED: dict[str, list[str]] = {"lookups": [], "connections": []}


class RecordingBackend(BaseSecretsBackend):
    """A secrets backend that has nothing and remembers what it was asked for."""

    def get_conn_value(self, conn_id: str, *args: Any, **kwargs: Any) -> None:
        _record("lookups", f"connection {conn_id}")

    def get_connection(self, conn_id: str, *args: Any, **kwargs: Any) -> None:
        _record("lookups", f"connection {conn_id}")

    def get_variable(self, key: str, *args: Any, **kwargs: Any) -> None:
        _record("lookups", f"Variable {key}")


def _record(kind: str, what: str) -> None:
    # Airflow imports the backend by its module's name: another copy than the one that runs.
    sys.modules["__main__"].RECORDED[kind].append(what)


def _refuse(self: socket.socket, address: Any) -> None:
    _record("connections", str(address))
    raise OSError("no network at parse")


def main() -> None:
    socket.socket.connect = _refuse
    socket.socket.connect_ex = _refuse
    from airflow import plugins_manager
    from airflow.dag_processing.dagbag import DagBag

    plugins_manager.ensure_plugins_loaded()
    for _ in range(PARSES):
        bag = DagBag(sys.argv[1])
    plugins = Path(plugins_manager.settings.PLUGINS_FOLDER).resolve()
    package = f"{plugins / 'directory_sync'}/"
    outcome = {
        "dags": sorted(bag.dags),
        "import_errors": bag.import_errors,
        "plugin_import_errors": plugins_manager.get_import_errors(),
        "misnamed_modules": sorted(
            name
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or "").startswith(package)
            and name.split(".")[0] != "directory_sync"
        ),
        "temporary_directory": tempfile.gettempdir(),
        **RECORDED,
    }
    print("\n" + json.dumps(outcome))


if __name__ == "__main__":
    main()
