"""The rate that earlier runs found: a hint that is used while it is young, and never fails a run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from directory_sync.config.settings import SyncSettings
from directory_sync.landing.folder import LandedFolder
from directory_sync.landing.known_rate import (
    FORGOTTEN_AFTER,
    RATE,
    KnownRate,
    read_known_rate,
    write_known_rate,
)
from directory_sync.landing.place import LandingPlace, landing_place
from directory_sync.landing.zone import Landing
from tests.buckets import Bucket

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
RATE_OF_NOW = KnownRate(requests_per_second=19.6, confirmed_at=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> LandedFolder:
    return LandedFolder.local(tmp_path / "people")


def test_a_rate_that_was_found_is_known(folder: LandedFolder) -> None:
    write_known_rate(folder, RATE_OF_NOW)
    assert read_known_rate(folder, now=NOW + FORGOTTEN_AFTER) == RATE_OF_NOW


def test_nothing_is_known_before_the_first_run(
    folder: LandedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_known_rate(folder, now=NOW) is None
    assert not caplog.records


@pytest.mark.parametrize("days", [8, -8])
def test_an_old_rate_is_forgotten_and_one_of_the_future_never_used(folder: LandedFolder, days: int) -> None:
    write_known_rate(folder, RATE_OF_NOW)
    assert read_known_rate(folder, now=NOW + timedelta(days=days)) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"requests_per_second": ',
        '{"requests_per_second": 5}',
        '{"requests_per_second": "5", "confirmed_at": "2026-03-01T02:00:00+00:00"}',
        '{"requests_per_second": 0, "confirmed_at": "2026-03-01T02:00:00+00:00"}',
        '{"requests_per_second": -3, "confirmed_at": "2026-03-01T02:00:00+00:00"}',
        '{"requests_per_second": 1e300, "confirmed_at": "2026-03-01T02:00:00+00:00"}',
        '{"requests_per_second": NaN, "confirmed_at": "2026-03-01T02:00:00+00:00"}',
        '{"requests_per_second": 5, "confirmed_at": "2026-03-01T02:00:00"}',
        '{"requests_per_second": 5, "confirmed_at": "yesterday"}',
    ],
)
def test_an_odd_file_is_left_out_with_one_line(
    folder: LandedFolder, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(folder.path).mkdir()
    Path(folder.file(RATE)).write_text(content)
    assert read_known_rate(folder, now=NOW) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_file_holds_a_rate_and_a_time_alone(folder: LandedFolder) -> None:
    write_known_rate(folder, RATE_OF_NOW)
    assert json.loads(Path(folder.file(RATE)).read_text()) == {
        "requests_per_second": 19.6,
        "confirmed_at": "2026-03-01T02:00:00+00:00",
    }


def test_the_file_is_neither_a_run_nor_a_resource(tmp_path: Path) -> None:
    landing = Landing(LandingPlace(url=str(tmp_path)))
    landed = landing.snapshot("people", "one")
    landed.write_json("report.json", {})
    write_known_rate(landed.of_resource(), RATE_OF_NOW)
    assert [one.name for one in landing.snapshots("people")] == ["one"]
    assert landing.resources() == ["people"]


def test_a_bucket_is_asked_twice_at_most(s3: Bucket, tmp_path: Path) -> None:
    landing = Landing(landing_place(s3.connection_of(tmp_path), SyncSettings(home=tmp_path)))
    folder = landing.snapshot("people", "one").of_resource()
    for known in (None, RATE_OF_NOW):
        if known is not None:
            write_known_rate(folder, known)
        s3.requests.clear()
        assert read_known_rate(folder, now=NOW) == known
        # s3fs asks for the size of what it reads.
        assert len(s3.requests) <= 2
