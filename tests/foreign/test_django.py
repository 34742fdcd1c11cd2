"""Django REST framework by page number, by offset and by cursor, and Django Ninja, on two nights each."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from directory_sync.errors import AuthError
from tests.foreign.two_nights import NAME, Foreign, ask, deployed, prove_two_nights

SERVER = Path(__file__).with_name("django_machines.py")
TOKEN = "django-token-not-a-real-one"


@dataclass
class DjangoRest(Foreign):
    """REST framework's token, and one of its ways to page."""

    url: str
    way: str
    endpoint: Mapping[str, Any]
    authorization: str = f"Token {TOKEN}"
    connection: ClassVar[dict[str, Any]] = {
        "password": TOKEN,
        "extra": {"auth_type": "api_key", "key_prefix": "Token"},
    }

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "endpoint": {
                        "path": f"/{self.way}/machines/",
                        "data_selector": "results",
                        **self.endpoint,
                    },
                    "detail_path": f"/{self.way}/machines/{{id}}/",
                }
            ],
        }

    def ask(self, method: str, path: str = "", **options: Any) -> Any:
        """Edits the list by REST framework itself."""
        token = f"Token {TOKEN}"
        return ask(method, f"{self.url}/windows/machines/{path}", authorization=token, **options)

    def add(self, name: str) -> int:
        return self.ask("POST", json={"name": name})["id"]

    def change(self, key: int) -> None:
        self.ask("PATCH", f"{key}/", json={"name": "Press, oiled"})

    def remove(self, key: int) -> None:
        self.ask("DELETE", f"{key}/")


@dataclass
class DjangoNinja(DjangoRest):
    """Ninja's bearer token, and its limits and offsets."""

    authorization: str = f"Bearer {TOKEN}"
    connection: ClassVar[dict[str, Any]] = {"password": TOKEN, "extra": {"auth_type": "bearer"}}

    def form(self) -> Mapping[str, Any]:
        return {"client": {}, "resources": [{"name": NAME, "endpoint": self.endpoint}]}


ENDPOINTS: dict[str, dict[str, Any]] = {
    "pages": {
        # Behind the last page, REST framework answers 404.
        "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
        "response_actions": [{"status_code": 404, "action": "ignore"}],
    },
    "windows": {"paginator": {"type": "offset", "limit": 100, "total_path": "count"}},
    "cursors": {"paginator": {"type": "json_link", "next_url_path": "next"}},
    "ninja": {
        "path": "/ninja/machines",
        "data_selector": "items",
        "paginator": {"type": "offset", "limit": 10, "total_path": "count"},
    },
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server without entries."""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(SERVER), str(tmp_path / "machines.sqlite"), TOKEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    port = json.loads(child.stdout.readline())["port"]
    yield f"http://127.0.0.1:{port}"
    child.communicate()


@pytest.mark.parametrize("way", ENDPOINTS)
def test_each_way_to_page_is_synced_exactly_on_two_nights(url: str, way: str, tmp_path: Path) -> None:
    kind = DjangoNinja if way == "ninja" else DjangoRest
    server = kind(url=url, way=way, endpoint=ENDPOINTS[way])
    prove_two_nights(server, tmp_path)
    wrong = deployed(server, tmp_path)
    assert wrong.source is not None
    with pytest.raises(AuthError):
        wrong.with_(source=wrong.source.__class__(**{**vars(wrong.source), "password": "x"})).client().page()
