"""A small directory over real HTTP, and a deployment that has published nothing yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.capture import Capture, capturing
from tests.integration.cycle import Cycle
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def running_api() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(entries=300)) as server:
        yield server


@pytest.fixture
def api(running_api: SandboxServer) -> SandboxServer:
    """An API of 300 entries as they are at the start."""
    running_api.reset()
    return running_api


@pytest.fixture
def cycle(api: SandboxServer, tmp_path: Path, postgres: PostgresServer | None, landing_of) -> Cycle:
    return Cycle(url=api.url, home=tmp_path, postgres=postgres, landing=landing_of(tmp_path))


@pytest.fixture(scope="session")
def first_night(
    running_api: SandboxServer,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer | None,
    landing_of,
) -> Cycle:
    """A deployment after its first run, `one`."""
    running_api.reset()
    home = tmp_path_factory.mktemp("first_night")
    cycle = Cycle(url=running_api.url, home=home, postgres=postgres, landing=landing_of(home))
    cycle.run("one")
    return cycle


@pytest.fixture
def published(api: SandboxServer, first_night: Cycle, tmp_path: Path) -> Cycle:
    """A deployment which has published all 300 entries by its first run, `one`."""
    return first_night.copied_to(tmp_path / "published")


@pytest.fixture
def captured() -> Iterator[Capture]:
    """All that is logged, by every logger there is, at DEBUG."""
    with capturing() as capture:
        yield capture
