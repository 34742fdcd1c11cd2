"""Airflow's own REST API as a directory: its pools, by a token that a JSON login gives with 201."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from demo.airflow_api import AirflowApi
from demo.local_airflow import USERNAME
from tests.foreign.two_nights import NAME, Foreign, ask, prove_two_nights


class AirflowPools(Foreign):
    """The pools of an Airflow that runs; their key is the name. No page holds more than 100."""

    key: ClassVar[str] = "name"

    def __init__(self, api: AirflowApi, password: str) -> None:
        """Asks as the administrator."""
        self.url, self._password = api.url, password
        self.authorization = f"Bearer {api.token()}"

    def ask(self, method: str, pool: str = "", **options: Any) -> Any:
        """Edits the pools by Airflow itself."""
        url = f"{self.url}/api/v2/pools{pool and '/'}{pool}"
        return ask(method, url, authorization=self.authorization, **options)

    @property
    def connection(self) -> dict[str, Any]:
        return {
            "login": USERNAME,
            "password": self._password,
            "extra": {
                "auth_type": "oauth2_client_credentials",
                "token_url": "/auth/token",
                "token_body": "json",
                "credential_fields": ["username", "password"],
                "token_params": {"grant_type": None},
            },
        }

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "primary_key": "name",
                    "endpoint": {
                        "path": "/api/v2/pools",
                        "params": {"order_by": "name", "pool_name_pattern": "Press%"},
                        "data_selector": "pools",
                        "paginator": {"type": "offset", "limit": 10, "total_path": "total_entries"},
                    },
                    "detail_path": "/api/v2/pools/{name}",
                }
            ],
        }

    def add(self, name: str) -> str:
        name = name.replace(" ", "-")
        return self.ask("POST", json={"name": name, "slots": 1})["name"]

    def change(self, key: str) -> None:
        pool = {"pool": key, "slots": 2, "description": None, "include_deferred": False}
        self.ask("PATCH", key, json=pool)

    def remove(self, key: str) -> None:
        self.ask("DELETE", key)


def test_airflows_pools_are_synced_exactly_on_two_nights(stack, tmp_path: Path) -> None:
    airflow = stack.airflow
    password = json.loads(airflow.passwords_file.read_text())[USERNAME]
    prove_two_nights(AirflowPools(airflow.api, password), tmp_path)
