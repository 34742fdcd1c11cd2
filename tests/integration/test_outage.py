"""A shard that waited out an outage: hours after the others, it joins their snapshot or is read again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from sandbox.server import SandboxServer
from tests.integration.cycle import RESOURCE, Cycle

SHARDS, LATE = 4, 1
PAGED = {"paginator": {"type": "offset", "limit": 20}}


@contextmanager
def later(hours: float) -> Iterator[None]:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        yield


@pytest.mark.parametrize("moved", [0, 12, 60], ids=["still", "a dozen edits", "sixty edits"])
def test_a_shard_that_is_read_hours_after_the_others_joins_their_snapshot(
    api: SandboxServer, published: Cycle, moved: int
) -> None:
    cycle = published.with_(shards=SHARDS, endpoint=PAGED)
    before = set(api.directory.ids())
    for shard in range(SHARDS):
        if shard != LATE:
            cycle.sync("two").extract(shard)
    with later(7):
        edits = api.directory.edit(moved, remove=min(moved, 12), seed=moved + 1)
        cycle.sync("two").extract(LATE)
        report = cycle.audit("two")
        cycle.publish("two")
        throughout = before - set(edits.removed)
        # What was there during the whole pull is in it, and nothing of that is held or removed.
        assert throughout <= cycle.ids("_missing_since IS NULL AND _removed_at IS NULL")
        assert cycle.ids() <= before | set(edits.added)
        seen = report.origin.last_requested_at - report.snapshot_at
        assert timedelta(hours=7) <= seen < timedelta(hours=8)
        # The next run has all of it.
        assert cycle.run("three").completeness.proof == "chain"
        assert cycle.ids("_missing_since IS NULL AND _removed_at IS NULL") == set(api.directory.ids())


def test_the_next_night_begins_after_a_night_that_waited(api: SandboxServer, published: Cycle) -> None:
    """A snapshot counts from its first request, so the fence does not refuse the night after it."""
    cycle = published.with_(shards=2, endpoint=PAGED)
    cycle.sync("two").extract(0)
    with later(8):
        cycle.sync("two").extract(1)
        assert not cycle.audit("two").skipped
        assert not cycle.publish("two").skipped
    with later(24):
        api.directory.edit(3, seed=5)
        assert cycle.run("three").changes["added"] == 3
    assert cycle.query(f"SELECT count(*) FROM {RESOURCE}") == [(303,)]
