"""Cursors of the scratch database: DuckDB gives them neither the time zone nor room for a second result."""

import duckdb

from directory_sync.audit.landed import cursor_of


def test_a_cursor_gives_times_in_utc_whatever_the_machine_s_zone():
    with duckdb.connect() as database:
        database.execute("SET GLOBAL TimeZone = 'Europe/Berlin'")
        assert database.cursor().execute("SELECT current_setting('TimeZone')").fetchone() == (
            "Europe/Berlin",
        )
        cursor = cursor_of(database)
        assert cursor.sql("SELECT now() AS at").arrow().schema.field("at").type.tz == "UTC"


def test_a_statement_on_a_cursor_leaves_an_open_result_alone():
    with duckdb.connect() as database:
        database.execute("SELECT * FROM range(5_000)")
        first = database.fetchmany(10)
        with cursor_of(database) as cursor:
            cursor.execute("CREATE TABLE things (id BIGINT)")
        assert len(first) + len(database.fetchall()) == 5_000
