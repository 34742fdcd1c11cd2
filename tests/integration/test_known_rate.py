"""A limit that the API does not announce is found once, and later runs keep to it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from directory_sync.api.client import DirectoryClient
from directory_sync.config.form import Resource
from directory_sync.landing.known_rate import RATE
from directory_sync.landing.zone import Landing
from directory_sync.publish.retention import retire
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.integration.cycle import RESOURCE, Cycle, child_process


class Waiting(Cycle):
    """A deployment whose clients wait as they do in a task."""

    def client(self, resource: Resource | None = None, *, connections: int = 2) -> DirectoryClient:
        return DirectoryClient(self.api_settings, resource or self.parsed, connections=connections)

    def run_together(self, run_id: str) -> None:
        """A whole run; its shards read at the same time, each in a process."""
        body = """if True:
            from pathlib import Path
            from tests.integration.test_known_rate import Waiting
            url, home, shards, run_id, shard = args
            Waiting(url=url, home=Path(home), shards=shards).sync(run_id).extract(shard)
        """
        with ExitStack() as stack:
            reading = [
                stack.enter_context(child_process(body, self.url, self.home, self.shards, run_id, number))
                for number in range(self.shards)
            ]
        assert [process.returncode for process in reading] == [0] * self.shards
        self.audit(run_id)
        self.publish(run_id)


@pytest.fixture
def limited() -> Iterator[SandboxServer]:
    """An API that lets 25 requests a second in; small pages make a pull of some seconds of its entries."""
    with SandboxServer(Settings(entries=400, page_cap=3, requests_per_second=25)) as server:
        yield server


def refusals(server: SandboxServer) -> int:
    return sum(by_status.get("429", 0) for by_status in server.stats.requests.values())


def rate_file(cycle: Cycle) -> Path:
    return Path(cycle.landed("any").of_resource().file(RATE))


def write(cycle: Cycle, content: Any) -> None:
    rate_file(cycle).parent.mkdir(parents=True, exist_ok=True)
    rate_file(cycle).write_text(json.dumps(content))


def rate_of_today(requests_per_second: float) -> dict[str, Any]:
    return {"requests_per_second": requests_per_second, "confirmed_at": datetime.now(UTC).isoformat()}


def begins_at(cycle: Cycle, *, share_of: int = 1) -> float | None:
    """The rate at which a shard's client begins."""
    client = cycle.sync("any").client(share_of=share_of)
    return client._transport._rate.requests_per_second


def test_a_limit_that_is_not_announced_refuses_the_second_run_far_less(
    limited: SandboxServer, tmp_path: Path
) -> None:
    cycle = Waiting(url=limited.url, home=tmp_path, shards=4)
    cycle.run_together("one")
    first = refusals(limited)
    known = json.loads(rate_file(cycle).read_text())
    assert known["requests_per_second"] == pytest.approx(25, rel=0.5)
    cycle.run_together("two")
    second = refusals(limited) - first
    assert first
    assert second < first / 2
    assert cycle.ids() == set(limited.directory.ids())


def test_a_run_that_is_never_refused_remembers_nothing(cycle: Cycle) -> None:
    cycle.run("one")
    assert not rate_file(cycle).exists()


def test_a_shard_begins_at_its_share_of_what_is_known(cycle: Cycle) -> None:
    assert begins_at(cycle) is None
    write(cycle, rate_of_today(20.0))
    assert begins_at(cycle) == 20.0
    assert begins_at(cycle, share_of=4) == 5.0


def test_what_the_user_has_set_is_kept_and_nothing_is_remembered(cycle: Cycle) -> None:
    write(cycle, rate_of_today(2.0))
    before = rate_file(cycle).read_text()
    given = cycle.with_(extra={"requests_per_second": 500})
    assert begins_at(given) == 500
    given.run("one")
    assert rate_file(cycle).read_text() == before


def test_an_odd_file_fails_no_run(cycle: Cycle) -> None:
    write(cycle, ["nonsense"])
    cycle.run("one")
    assert len(cycle.ids()) == 300


def test_a_replay_neither_uses_nor_changes_what_is_known(published: Cycle) -> None:
    write(published, ["nonsense"])
    published.lose_warehouse()
    published.replay()
    assert rate_file(published).read_text() == '["nonsense"]'
    assert len(published.ids()) == 300


def test_the_retention_leaves_the_rate_and_the_newest_run(published: Cycle) -> None:
    write(published, rate_of_today(20.0))
    published.run("two")
    landing = Landing(published.place)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert retire(landing, resources=[RESOURCE], before=tomorrow, keep="two") == 1
    assert rate_file(published).exists()
    assert [one.name for one in landing.snapshots(RESOURCE)] == ["two"]
