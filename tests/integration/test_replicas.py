"""A replica that lags hides entries from one request in six; nobody who is there is removed."""

from pathlib import Path

import pytest

from tests.integration.cycle import Cycle
from tests.integration.listing import Listing

ENDPOINT = {"paginator": {"type": "offset", "limit": 20}}
PEOPLE = [{"id": n, "name": f"N{n}"} for n in range(1, 301)]


@pytest.fixture
def listing():
    with Listing() as one:
        one.entries = list(PEOPLE)
        yield one


@pytest.fixture
def cycle(listing: Listing, tmp_path: Path) -> Cycle:
    cycle = Cycle(url=listing.url, home=tmp_path, endpoint=ENDPOINT, shards=2)
    cycle.run("one")
    return cycle


@pytest.mark.parametrize("phase", range(6))
def test_who_is_there_is_not_removed_by_a_replica_that_lags(
    listing: Listing, cycle: Cycle, phase: int
) -> None:
    listing.lagging = [one for one in PEOPLE if one["id"] % 30]
    listing.answers = phase
    report = cycle.run("two")
    assert cycle.ids("_removed_at IS NOT NULL") == set()
    rules = {finding.rule for finding in report.findings}
    assert not report.changes["missing"] or rules & {"replicas", "unconfirmed"}


def test_who_left_is_removed_at_once_where_every_answer_lacks_them(listing: Listing, cycle: Cycle) -> None:
    listing.entries = [one for one in PEOPLE if one["id"] not in (1, 150, 300)]
    report = cycle.run("two")
    assert report.changes["removed"] == 3
    assert cycle.ids("_removed_at IS NOT NULL") == {1, 150, 300}
