"""A directory of Django REST framework, with OAuth2 and a page cap, is read whole while it changes."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from directory_sync.errors import AuthError
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer

SERVER = Path(__file__).with_name("django_directory.py")
ENTRIES = 900


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the server, and its database."""
    database = tmp_path_factory.mktemp("django") / "directory.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(SERVER), str(database), str(ENTRIES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    port = json.loads(child.stdout.readline())["port"]
    yield f"http://127.0.0.1:{port}", database
    child.communicate()


@pytest.mark.parametrize("auth_method", ["client_secret_post", "client_secret_basic"])
def test_django_oauth_toolkit_takes_the_client_either_way(
    django: tuple[str, Path], tmp_path: Path, auth_method: str
) -> None:
    cycle = Cycle(
        url=django[0],
        home=tmp_path,
        client_id="django-client",
        secret="django-secret",
        extra={"token_url": "/oauth/token/", "scope": "read", "auth_method": auth_method},
    )
    with closing(cycle.client()) as client:
        assert client.page(0, 5).entries


def test_a_scope_that_django_oauth_toolkit_does_not_have_is_named(
    django: tuple[str, Path], tmp_path: Path
) -> None:
    extra = {"token_url": "/oauth/token/", "scope": "write"}
    cycle = Cycle(
        url=django[0], home=tmp_path, client_id="django-client", secret="django-secret", extra=extra
    )
    with closing(cycle.client()) as client, pytest.raises(AuthError, match=r"\(invalid_scope\): `scope` of"):
        client.sign_in()


def test_every_entry_that_lasted_is_published(
    django: tuple[str, Path], tmp_path: Path, postgres: PostgresServer | None
) -> None:
    url, database = django
    cycle = Cycle(
        url=url,
        home=tmp_path,
        client_id="django-client",
        secret="django-secret",
        extra={"token_url": "/oauth/token/", "scope": "read"},
        shards=2,
        postgres=postgres,
    )
    report = cycle.run("one")
    with sqlite3.connect(database) as sqlite:
        now = {row[0] for row in sqlite.execute("SELECT id FROM directory_person")}
    sqlite.close()
    lasted = now & {10 * n for n in range(1, ENTRIES + 1)}
    assert ENTRIES > len(lasted) > ENTRIES // 2
    assert len(now - lasted) > 10
    assert lasted <= cycle.ids()
    assert report.completeness.order == "observed"
    assert len(set(cycle.tokens)) > 2
