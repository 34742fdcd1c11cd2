"""json-server: a bare array by `_start` and `_limit`, with the total in a header; no sign-in."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from demo.local_airflow import free_port
from tests.foreign.two_nights import NAME, Foreign, ask, prove_two_nights
from tests.installed.install import folder_of


class JsonServer(Foreign):
    """One list, `machines`."""

    connection: ClassVar[dict[str, Any]] = {"extra": {"auth_type": "none"}}

    def __init__(self, url: str) -> None:
        """Asks a server that runs."""
        self.url = url

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "endpoint": {
                        "path": "/machines",
                        "data_selector": "$",
                        "paginator": {
                            "type": "offset",
                            "limit": 10,
                            "offset_param": "_start",
                            "limit_param": "_limit",
                            "total_path": None,
                            "total_header": "X-Total-Count",
                        },
                    },
                }
            ],
        }

    def add(self, name: str) -> int:
        return ask("POST", f"{self.url}/machines", json={"name": name})["id"]

    def change(self, key: int) -> None:
        ask("PATCH", f"{self.url}/machines/{key}", json={"name": "Press, oiled"})

    def remove(self, key: int) -> None:
        ask("DELETE", f"{self.url}/machines/{key}")


def test_json_server_is_synced_exactly_on_two_nights(start: Callable[..., None], tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "db.json").write_text(json.dumps({"machines": []}))
    program = folder_of("json-server") / "node_modules/.bin/json-server"
    url = f"http://127.0.0.1:{port}"
    start([program, "--host", "127.0.0.1", "--port", str(port), "--quiet", "db.json"], answers_at=url)
    prove_two_nights(JsonServer(url), tmp_path / "home")
