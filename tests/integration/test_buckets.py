"""The landing zone in a bucket: moto's S3 API over HTTP, with nothing else shared between the stages."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from directory_sync.errors import ConfigError, SnapshotError
from directory_sync.landing.files import REPORT
from directory_sync.landing.zone import Landing
from directory_sync.publish.retention import retire
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.buckets import Bucket
from tests.capture import Capture
from tests.integration.cycle import RESOURCE, Cycle

TOMORROW = datetime.now(UTC) + timedelta(days=1)
EXTRA = {"bucket_url": "s3://landing-zome/directory"}


@pytest.fixture
def bucket(s3: Bucket) -> Iterator[Bucket]:
    s3.requests.clear()
    yield s3
    s3.refuse = lambda _: False


@pytest.fixture
def landed_there(cycle: Cycle, bucket: Bucket, tmp_path: Path) -> Cycle:
    """A deployment whose landing zone is the bucket."""
    return cycle.with_(landing=bucket.connection_of(tmp_path), shards=2)


def test_stages_that_share_nothing_but_the_bucket_publish_every_entry(
    landed_there: Cycle, api: SandboxServer, tmp_path: Path
) -> None:
    extracting = landed_there.with_(home=tmp_path / "another worker")
    extracting.extract("run")
    assert not extracting.home.exists()
    landed_there.audit("run")
    assert landed_there.publish("run").changes["added"] == 300
    assert landed_there.ids() == set(api.directory.ids())


def test_a_second_run_publishes_the_difference_and_a_replay_rebuilds_both(
    landed_there: Cycle, api: SandboxServer
) -> None:
    landed_there.run("one")
    edits = api.directory.edit(add=2, change=3, remove=1)
    changes = landed_there.run("two").changes
    assert (changes["added"], changes["changed"]) == (2, 3)
    assert landed_there.ids("_missing_since IS NOT NULL") == set(edits.removed)
    before = landed_there.tables()
    landed_there.lose_warehouse()
    landed_there.replay()
    assert landed_there.tables() == before


def test_a_bucket_that_refuses_one_request_in_sixty_is_asked_again(
    landed_there: Cycle, bucket: Bucket, api: SandboxServer
) -> None:
    bucket.refuse = lambda number: number % 60 == 0
    landed_there.run("run")
    assert landed_there.ids() == set(api.directory.ids())
    assert [request for request in bucket.requests if request.is_refused]


def test_a_bucket_that_is_not_there_is_not_made(landed_there: Cycle, bucket: Bucket, tmp_path: Path) -> None:
    elsewhere = replace(bucket.connection_of(tmp_path), extra={**EXTRA, "endpoint_url": bucket.url})
    with pytest.raises(ConfigError, match="s3://landing-zome/directory does not exist"):
        landed_there.with_(landing=elsewhere).extract("run")
    assert {request.method for request in bucket.requests} <= {"GET", "HEAD"}


def test_a_bucket_that_cannot_be_reached_is_a_reason_to_try_again(
    landed_there: Cycle, bucket: Bucket, tmp_path: Path
) -> None:
    once = {"config_kwargs": {"retries": {"total_max_attempts": 1}}}
    extra = {**EXTRA, **once, "endpoint_url": "http://127.0.0.1:1"}
    nowhere = replace(bucket.connection_of(tmp_path), extra=extra)
    with pytest.raises(SnapshotError, match=r"cannot be reached \(EndpointConnectionError\)"):
        landed_there.with_(landing=nowhere).landed("run")


def test_what_was_landed_long_ago_is_deleted(landed_there: Cycle, bucket: Bucket) -> None:
    landed_there.run("one")
    landed_there.run("two")
    landing = Landing(landed_there.place)
    for folder, run, name in (
        ("sales", "2026", "report.json"),
        ("dataset=partners", "people", "question.json"),
    ):
        landing.snapshot(folder, run).write_json(name, {})
    assert retire(landing, resources=[RESOURCE], before=TOMORROW - timedelta(days=2), keep="two") == 0
    assert retire(landing, resources=[RESOURCE], before=TOMORROW, keep="two") == 1
    assert [one.names() for one in (*landing.snapshots("sales"), *landing.snapshots("dataset=partners"))] == [
        ["report.json"],
        ["question.json"],
    ]
    assert [snapshot.name for snapshot in landing.snapshots(RESOURCE)] == ["two"]
    assert landed_there.landed("one").read_json(REPORT) is None


def test_the_age_of_all_landed_folders_is_known_by_one_listing(landed_there: Cycle, bucket: Bucket) -> None:
    landed_there.run("one")
    landed_there.run("two")
    landed_there.run("three")
    landing = Landing(landed_there.place)
    runs = landing.snapshots(RESOURCE)
    bucket.requests.clear()
    assert landing.unchanged(runs, since=TOMORROW - timedelta(days=2)) == []
    assert [one.name for one in landing.unchanged(runs, since=TOMORROW)] == ["one", "three", "two"]
    assert len(bucket.requests) == 2


def test_the_audit_reads_the_columns_it_needs_of_files_that_stay_where_they_are(
    bucket: Bucket, tmp_path: Path
) -> None:
    """The records are most of a snapshot. An unchanged one is audited without them."""
    with SandboxServer(Settings(entries=8_000)) as api:
        cycle = Cycle(url=api.url, home=tmp_path, landing=bucket.connection_of(tmp_path))
        cycle.run("one")
        cycle.extract("two")
        landed = cycle.landed("two")
        sizes = bucket.sizes(landed.path)
        bucket.requests.clear()
        cycle.audit("two")
    read = [request for request in bucket.requests if request.method == "GET" and "/entries/" in request.path]
    entries = sum(size for path, size in sizes.items() if "/entries/" in path)
    assert sum(request.answered for request in read) < entries / 2


def test_the_audit_reads_a_file_with_four_requests_at_most(
    landed_there: Cycle, bucket: Bucket, api: SandboxServer
) -> None:
    landed_there.run("one")
    api.directory.edit(add=2, change=30, remove=1)
    landed_there.extract("two")
    bucket.requests.clear()
    landed_there.audit("two")
    landed = Counter(request.path for request in bucket.requests if "/landed/" in request.path)
    of_tables = {path: count for path, count in landed.items() if path.endswith(".parquet")}
    assert len(of_tables) == 3 * landed_there.shards
    assert max(of_tables.values()) <= 4
    assert not [
        request for request in bucket.requests if request.method == "HEAD" and request.path in of_tables
    ]


def test_a_wrong_key_is_named_without_being_shown(
    landed_there: Cycle, bucket: Bucket, captured: Capture
) -> None:
    wrong = "wrong-key-of-nobody"
    nobody = bucket.connection_of(landed_there.home, login="AKIANOBODY", password=wrong)
    stranger = landed_there.with_(landing=nobody)
    landed_there.run("run")
    with pytest.raises(ConfigError, match="the credentials of the connection `directory_landing`") as refused:
        stranger.audit("run")
    assert wrong not in repr(refused.value) + "".join(captured.lines)
