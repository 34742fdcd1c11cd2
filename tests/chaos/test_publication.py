"""What is published from a directory that changes all the time is what lasted, and nothing that had left."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from directory_sync.errors import SnapshotError
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.integration.cycle import RESOURCE, Cycle
from tests.postgres import PostgresServer

PULLS = int(os.environ.get("CHAOS_PUBLICATIONS", "12"))
"""How many pulls are published, over all histories."""
HISTORIES = 2
PRESENT = "_removed_at IS NULL AND _missing_since IS NULL"


@pytest.fixture(scope="module")
def api() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(entries=600)) as server:
        yield server


def churn(api: SandboxServer, draw: random.Random) -> None:
    """Lets the directory change while it is read, and its answers fall short."""
    kind = draw.choice(["insert", "delete", "both", "burst"])
    where = draw.choice(["random", "head", "boundary"])
    rates = [0.2, 0.5, 1.0]
    if kind == "burst":
        # A list that grows by more than a page with each request has no end that anyone could reach.
        rates = [0.1]
    elif where == "boundary":
        # Nor has one into which each request for its end inserts an entry at the end: it is an error.
        rates = [0.2, 0.5]
    api.configure(
        churn_per_request=draw.choice(rates),
        churn_kind=kind,
        churn_where=where,
        churn_burst_size=draw.randint(101, 120),
        churn_seed=draw.randrange(1 << 30),
        page_cap=draw.choice([100, 100, 60]),
        total=draw.choice(["present", "absent", "stale"]),
        total_lag_seconds=draw.choice([0.1, 1.0]),
        empty_page_rate=draw.choice([0.0, 0.0, 0.02]),
    )


def calm(api: SandboxServer) -> None:
    api.configure(churn_per_request=0.0, page_cap=100, total="present", empty_page_rate=0.0)


def audit_until_sealed(cycle: Cycle, run_id: str) -> None:
    """Audits as Airflow does, which tries three times."""
    for _ in range(2):
        try:
            cycle.audit(run_id)
        except SnapshotError:
            # Airflow waits half a minute, in which a total that is late catches up.
            time.sleep(1.2)
            continue
        return
    cycle.audit(run_id)


@pytest.mark.parametrize("history", range(HISTORIES))
def test_every_pull_publishes_what_lasted_and_nothing_that_had_left(
    api: SandboxServer, tmp_path: Path, postgres: PostgresServer | None, history: int
) -> None:
    api.reset()
    draw = random.Random(f"history {history}")
    # Bursts are no reason to wait for a person here.
    limits = {"max_removed_share": 1.0, "max_removed_count": 1_000_000, "max_changed_share": 1.0}
    cycle = Cycle(url=api.url, home=tmp_path, settings=limits, postgres=postgres)
    ever = set(api.directory.ids())
    for pull in range(PULLS // HISTORIES):
        before = set(api.directory.ids())
        ever |= before
        left_before = ever - before
        churn(api, draw)
        cycle = cycle.with_(shards=draw.randint(1, 4))
        cycle.extract(f"pull {pull}", in_flight=draw.randint(1, 8))
        audit_until_sealed(cycle, f"pull {pull}")
        calm(api)
        after = set(api.directory.ids())
        cycle.publish(f"pull {pull}")
        published = cycle.ids(PRESENT)
        assert before & after <= published, f"pull {pull}"
        assert not published & left_before, f"pull {pull}"
        ever |= published | after
    last = "the last, quiet pull"
    cycle.run(last)
    assert cycle.ids(PRESENT) == cycle.ids() == set(api.directory.ids())
    assert [*cycle.query(f"SELECT count(*) FROM {RESOURCE}")] == [(len(cycle.ids("true")),)]
