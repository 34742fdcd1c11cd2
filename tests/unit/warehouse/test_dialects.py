"""The casts of the views' SQL hold, on the patterns that guard PostgreSQL's."""

import re
from typing import Any

import duckdb
import pytest

from directory_sync.config import columns
from directory_sync.warehouse import dialect_postgres
from directory_sync.warehouse.definitions import typed
from directory_sync.warehouse.dialect_duckdb import DuckDB
from directory_sync.warehouse.record_fields import RecordFields, RecordList


@pytest.mark.parametrize(
    ("day", "is_one"),
    [
        ("2026-02-28", True),
        ("2026-02-29", False),
        ("2024-02-29", True),
        ("1900-02-29", False),
        ("2000-02-29", True),
        ("2026-04-31", False),
        ("2026-12-31", True),
        ("0000-01-01", False),
        ("2026-13-01", False),
    ],
)
def test_only_days_of_the_calendar_are_cast(day: str, is_one: bool) -> None:
    """PostgreSQL's cast fails on all others, and a failing cast would stop each reader."""
    assert bool(re.fullmatch(dialect_postgres._DATE, day)) is is_one


@pytest.mark.parametrize(
    ("pattern", "text", "is_one"),
    [
        ("_NUMBER", "-12.5e-3", True),
        ("_NUMBER", f"0.{'0' * 199}1", True),
        ("_NUMBER", f"0.{'0' * 199}1e-99", True),
        ("_NUMBER", f"0.{'0' * 400}1", False),
        ("_NUMBER", f"{'9' * 200}e99", True),
        ("_NUMBER", f"{'9' * 400}", False),
        ("_WHOLE", "7.00", True),
        ("_WHOLE", f"7.{'0' * 20_000}", False),
    ],
)
def test_a_number_that_postgresql_cannot_cast_is_none(pattern: str, text: str, is_one: bool) -> None:
    """Too near to zero, or too long: floats are alike in both, so what matches is neither 0 nor inf."""
    assert bool(re.fullmatch(getattr(dialect_postgres, pattern), text)) is is_one
    if is_one:
        assert float(text) not in (0.0, float("inf"))


def test_a_moment_with_more_digits_than_postgresql_reads_is_none() -> None:
    whole = re.compile(f"{dialect_postgres._DATE}{dialect_postgres._CLOCK}")
    assert whole.fullmatch("2026-01-02T03:04:05.123456789")
    assert not whole.fullmatch(f"2026-01-02T03:04:05.{'1' * 150}")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00"),
        ("2026-01-02T03:04:05.5+02:00", "2026-01-02 01:04:05.5+00"),
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05+00"),
        ("2026-01-02", "2026-01-02 00:00:00+00"),
        ("unknown", None),
        ("2026-02-30T00:00:00Z", None),
    ],
)
def test_a_time_without_a_zone_is_utc_wherever_the_reader_is(text: str, moment: str | None) -> None:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'America/New_York'")
        cast = DuckDB().cast("given", {"data_type": "timestamp"})
        [(found,)] = database.execute(
            f"SELECT strftime(({cast}) AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S') FROM (SELECT ? AS given)",
            [text],
        ).fetchall()
    assert found == (moment and moment.partition("+")[0].partition(".")[0])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"timezone": False}, "TIMESTAMP '2026-01-02 12:00:00.5'"),
        ({}, "TIMESTAMPTZ '2026-01-02 12:00:00.5+00'"),
        ({"timezone": True}, "TIMESTAMPTZ '2026-01-02 14:00:00.5+02'"),
    ],
    ids=["naive", "zoned", "said to be zoned"],
)
def test_a_time_beside_texts_is_the_same_text_wherever_the_reader_is(
    zone: str, kind: dict[str, Any], value: str
) -> None:
    with duckdb.connect() as database:
        database.execute(f"SET TimeZone = '{zone}'")
        text = DuckDB().as_text("given", {"data_type": "timestamp", **kind})
        found = database.execute(f"SELECT {text} FROM (SELECT {value} AS given)").fetchall()
    assert found == [("2026-01-02T12:00:00.500000Z",)]


def test_variants_are_one_column_and_names_of_ours_are_kept() -> None:
    known = {
        "count": {"data_type": "bigint"},
        "kind": {"data_type": "text"},
        "count__v_double": {"data_type": "double", "variant": True},
        "at": {"data_type": "timestamp"},
        "at__v_text": {"data_type": "text", "variant": True},
        "plain__v_text": {"data_type": "text"},
        "_dlt_id": {"data_type": "text"},
    }
    found = {one.name: (one.kind["data_type"], one.parts) for one in typed(known, ours=columns.HISTORY)}
    assert found == {
        "count": ("double", ("count", "count__v_double")),
        "field_kind": ("text", ("kind",)),
        "at": ("text", ("at", "at__v_text")),
        "plain__v_text": ("text", ("plain__v_text",)),
    }


def test_what_is_learnt_is_kept_as_it_is_and_grows() -> None:
    first = RecordFields(columns={"user_id": (("userId",),)})
    later = RecordFields(
        columns={"user_id": (("user_id",),), "city": (("place", "city"),)},
        lists={"people__tags": RecordList(path=("tags",), columns={"value": ((),)})},
    )
    both = first.and_(later)
    schema = type("Schema", (), {"tables": {"people": {"x-directory-fields": both.as_hint()}}})()
    assert RecordFields.stored(schema, "people") == both.and_(both)
    assert both.columns["user_id"] == (("userId",), ("user_id",))
    assert RecordFields.stored(schema, "others") is None
