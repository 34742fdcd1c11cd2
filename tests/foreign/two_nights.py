"""Servers that nobody here wrote: synced on two nights with edits between, and read by plain dlt too."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any, ClassVar

import requests

from directory_sync.config.connections import ConnectionFields
from directory_sync.config.dlt_provider import form_secrets
from tests.vendors.deployment import Deployment
from tests.vendors.plain_dlt import entries

NAME = "machines"
MACHINES = [f"Press {number}" for number in range(1, 36)]
SECONDS = 60.0
LIMITS = {"max_small_share": 0.5, "max_removed_share": 0.5}


class Foreign(ABC):
    """A server with a list of MACHINES, edited by its own means.

    Attributes:
        key: the field that names an entry.
        url: the base URL.
        authorization: the header of a request that is signed in; empty: there is no sign-in.
    """

    key: ClassVar[str] = "id"
    url: str
    authorization: str = ""

    @abstractmethod
    def form(self) -> Mapping[str, Any]:
        """What is synced, in the form of dlt's `rest_api` source."""

    @property
    def connection(self) -> dict[str, Any]:
        """The connection's fields beside the host."""
        return {}

    @abstractmethod
    def add(self, name: str) -> Any:
        """Adds an entry; returns its key."""

    @abstractmethod
    def change(self, key: Any) -> None:
        """Changes an entry."""

    @abstractmethod
    def remove(self, key: Any) -> None:
        """Removes an entry."""


def ask(method: str, url: str, *, authorization: str = "", **options: Any) -> Any:
    """Sends a request to a server; returns the body of the answer."""
    headers = {"Authorization": authorization} if authorization else {}
    answer = requests.request(method, url, headers=headers, timeout=30, **options)
    assert answer.ok, (answer.status_code, answer.text[:500])
    return answer.json() if answer.content else None


def wait_for(url: str, child: Popen[Any]) -> None:
    """Waits until a server that was started answers."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            requests.get(url, timeout=2)
        except requests.ConnectionError:
            assert child.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        else:
            return


def deployed(server: Foreign, home: Path, **settings: Any) -> Deployment:
    """A deployment that reads a server."""
    source = ConnectionFields(
        conn_id="foreign_api", conn_type="directory_api", host=server.url, **server.connection
    )
    return Deployment(
        url=server.url,
        home=home,
        form=server.form,
        source=source,
        name=NAME,
        settings={**LIMITS, **settings},
    )


def prove_two_nights(server: Foreign, home: Path) -> None:
    """Fills the server, and syncs it whole; then with exactly the edits as the difference."""
    keys = [server.add(name) for name in MACHINES]
    deployment = deployed(server, home)
    assert deployment.run("one").changes["added"] == len(MACHINES)
    assert deployment.keys(NAME) == set(keys)
    added = server.add("Press 36")
    server.change(keys[12])
    server.remove(keys[23])
    deployment.run("two")
    assert deployment.changed(NAME, "two") == {"added": {added}, "changed": {keys[12]}, "removed": {keys[23]}}
    assert deployment.keys(NAME) == {*keys, added} - {keys[23]}
    with form_secrets():
        form = server.form()
    plain = entries(form, server.url, authorization=server.authorization)[NAME]
    assert {one[server.key] for one in plain} <= deployment.keys(NAME)
