"""Mailman 3: its mailing lists by page number, HTTP Basic; a page without entries lacks the list."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import requests

from demo.local_airflow import free_port
from tests.foreign.two_nights import NAME, Foreign, prove_two_nights
from tests.installed.install import folder_of

LOGIN = ("restadmin", "mailman-password-not-a-real-one")


class Mailman(Foreign):
    """A domain with mailing lists, each about a machine."""

    key: ClassVar[str] = "list_id"
    authorization = requests.auth._basic_auth_str(*LOGIN)
    connection: ClassVar[dict[str, Any]] = {
        "login": LOGIN[0],
        "password": LOGIN[1],
        "extra": {"auth_type": "http_basic"},
    }

    def __init__(self, url: str) -> None:
        """Makes the domain."""
        self.url = url
        self.ask("POST", "/domains", data={"mail_host": "example.org"})

    def form(self) -> Mapping[str, Any]:
        return {
            "client": {},
            "resources": [
                {
                    "name": NAME,
                    "primary_key": self.key,
                    "endpoint": {
                        "path": "/lists",
                        "params": {"count": 10},
                        "data_selector": "entries",
                        "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
                    },
                    "empty": "absent",
                    "detail_path": "/lists/{list_id}",
                    "ignored_fields": ["http_etag"],
                }
            ],
        }

    def ask(self, method: str, path: str, **options: Any) -> None:
        """Asks as the administrator."""
        answer = requests.request(method, f"{self.url}{path}", auth=LOGIN, timeout=30, **options)
        answer.raise_for_status()

    def add(self, name: str) -> str:
        name = name.lower().replace(" ", "-")
        self.ask("POST", "/lists", data={"fqdn_listname": f"{name}@example.org"})
        return f"{name}.example.org"

    def change(self, key: str) -> None:
        self.ask("PATCH", f"/lists/{key}/config", data={"display_name": "Press, oiled"})

    def remove(self, key: str) -> None:
        self.ask("DELETE", f"/lists/{key}")


def test_mailman_is_synced_exactly_on_two_nights(start: Callable[..., None], tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "mailman.cfg").write_text(
        "[mailman]\nsite_owner: owner@example.org\nlayout: here\n"
        f"[paths.here]\nvar_dir: {tmp_path}/var\n"
        f"[webservice]\nhostname: 127.0.0.1\nport: {port}\n"
        f"admin_user: {LOGIN[0]}\nadmin_pass: {LOGIN[1]}\n"
        "[mta]\nincoming: mailman.mta.null.NullMTA\n"
    )
    programs = folder_of("mailman") / "venv/bin"
    url = f"http://127.0.0.1:{port}/3.1"
    start([programs / "runner", "-C", tmp_path / "mailman.cfg", "--runner=rest:0:1"], answers_at=url)
    prove_two_nights(Mailman(url), tmp_path / "home")
