"""Directus: a collection by limit and offset, with a static token; an entry that is gone answers 403."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from demo.local_airflow import free_port
from tests.foreign.two_nights import NAME, Foreign, ask, prove_two_nights
from tests.installed.install import folder_of

TOKEN = "directus-token-not-a-real-one"


class Directus(Foreign):
    """One collection, `machines`. The 403 is no proof, so the form has no `detail_path`."""

    authorization = f"Bearer {TOKEN}"
    connection: ClassVar[dict[str, Any]] = {"password": TOKEN, "extra": {"auth_type": "bearer"}}

    def __init__(self, url: str) -> None:
        """Makes the collection."""
        self.url = url
        fields = [
            {
                "field": "id",
                "type": "integer",
                "meta": {},
                "schema": {"is_primary_key": True, "has_auto_increment": True},
            },
            {"field": "name", "type": "string", "meta": {}, "schema": {}},
        ]
        self.ask(
            "POST", "/collections", json={"collection": NAME, "schema": {}, "meta": {}, "fields": fields}
        )

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "endpoint": {
                        "path": f"/items/{NAME}",
                        "params": {"sort": "id", "meta": "total_count"},
                        "data_selector": "data",
                        "paginator": {"type": "offset", "limit": 10, "total_path": "meta.total_count"},
                    },
                }
            ],
        }

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Asks as the administrator whose token it is."""
        return ask(method, f"{self.url}{path}", authorization=self.authorization, **options)

    def add(self, name: str) -> int:
        return self.ask("POST", f"/items/{NAME}", json={"name": name})["data"]["id"]

    def change(self, key: int) -> None:
        self.ask("PATCH", f"/items/{NAME}/{key}", json={"name": "Press, oiled"})

    def remove(self, key: int) -> None:
        self.ask("DELETE", f"/items/{NAME}/{key}")


def test_directus_is_synced_exactly_on_two_nights(start: Callable[..., None], tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DB_CLIENT": "sqlite3",
        "DB_FILENAME": str(tmp_path / "directus.db"),
        "SECRET": "secret-not-a-real-one",
        "ADMIN_EMAIL": "admin@example.org",
        "ADMIN_PASSWORD": "password-not-a-real-one",
        "ADMIN_TOKEN": TOKEN,
        "TELEMETRY": "false",
    }
    program = folder_of("directus") / "node_modules/.bin/directus"
    settings = "\n".join(f"{name}={value}" for name, value in environment.items())
    (tmp_path / ".env").write_text(settings)
    subprocess.run([program, "bootstrap"], cwd=tmp_path, check=True, capture_output=True)
    start([program, "start"], answers_at=f"{url}/server/ping")
    prove_two_nights(Directus(url), tmp_path / "home")
