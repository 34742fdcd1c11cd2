"""The claims about the views once more, on PostgreSQL; and what only a server has: dependents and rights."""

from typing import Any

import pytest

from directory_sync.publish.learned import fields_of
from tests.capture import Capture
from tests.integration.cycle import RESOURCE, Cycle
from tests.integration.listing import Listing
from tests.integration.test_views import (
    described,
    small,
    test_a_changed_type_empties_no_column,
    test_a_day_of_the_documentation_is_the_same_wherever_the_reader_is,
    test_a_map_leaves_the_fields_of_the_record_in_the_history,
    test_a_table_of_a_persons_own_under_the_name_of_a_view_stays_and_fails_no_run,
    test_a_value_that_fits_no_type_is_null_and_stops_no_reader,
    test_a_view_of_a_persons_own_under_our_name_stays,
    test_changed_fields_have_their_old_and_new_values,
    test_tables_views_and_columns_say_what_they_are,
    test_the_directory_as_of_a_time_has_its_lists_as_they_were,
    test_the_queries_of_the_documentation_answer_an_analysts_questions,
    test_the_views_have_the_fields_in_typed_columns,
)
from tests.postgres import PostgresServer

__all__ = [
    "small",
    "test_a_changed_type_empties_no_column",
    "test_a_day_of_the_documentation_is_the_same_wherever_the_reader_is",
    "test_a_map_leaves_the_fields_of_the_record_in_the_history",
    "test_a_table_of_a_persons_own_under_the_name_of_a_view_stays_and_fails_no_run",
    "test_a_value_that_fits_no_type_is_null_and_stops_no_reader",
    "test_a_view_of_a_persons_own_under_our_name_stays",
    "test_changed_fields_have_their_old_and_new_values",
    "test_tables_views_and_columns_say_what_they_are",
    "test_the_directory_as_of_a_time_has_its_lists_as_they_were",
    "test_the_queries_of_the_documentation_answer_an_analysts_questions",
    "test_the_views_have_the_fields_in_typed_columns",
]


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    return postgres_server


def admin(cycle: Cycle, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    assert cycle.postgres
    return cycle.postgres.rows(sql, *values, database=cycle.database)


def test_views_of_others_on_top_of_ours_stop_no_sync(
    listing: Listing, small: Cycle, captured: Capture
) -> None:
    small.run("one")
    admin(small, f"CREATE VIEW public.theirs AS SELECT id, doors FROM directory.{RESOURCE}_current")
    listing.entries[0]["gates"] = 3
    small.run("new column")
    assert small.query(f"SELECT doors, gates FROM {RESOURCE}_current WHERE id = 1") == [(10, 3)]
    listing.entries[0]["doors"] = "many"
    assert small.run("two").changes["changed"] == 1
    # A column of another type needs a new view, and theirs keeps the old one.
    assert any(f"The view `{RESOURCE}_current` cannot be made anew" in line for line in captured.lines)
    assert admin(small, "SELECT doors FROM public.theirs WHERE id = 2") == [(20,)]
    assert small.query(f"SELECT doors FROM {RESOURCE}_history WHERE id = 1 AND is_current") == [("many",)]
    admin(small, "DROP VIEW public.theirs")
    small.run("three")
    assert small.query(f"SELECT doors, gates FROM {RESOURCE}_current WHERE id = 1") == [("many", 3)]


def test_a_view_that_is_locked_fails_no_publication_and_is_made_by_the_next_one(
    listing: Listing, small: Cycle, captured: Capture
) -> None:
    cycle = small.with_(settings={"warehouse_wait_seconds": 2.0})
    cycle.run("one")
    listing.entries[0]["gates"] = 3
    assert cycle.postgres
    with cycle.postgres.connect(cycle.database) as other, other.cursor() as cursor:
        other.autocommit = False
        # A transaction that goes on, and locks one view alone.
        cursor.execute(f"COMMENT ON VIEW directory.{RESOURCE}_history IS 'mine'")
        assert cycle.run("two").changes["changed"] == 1
        other.rollback()
    assert any(f"The view `{RESOURCE}_history` cannot be made now (55P03)" in line for line in captured.lines)
    assert cycle.query(f"SELECT gates FROM {RESOURCE}_current WHERE id = 1") == [(3,)]
    listing.entries[1]["gates"] = 4
    cycle.run("three")
    gates = cycle.query(f"SELECT id, gates FROM {RESOURCE}_history WHERE gates IS NOT NULL ORDER BY id")
    assert gates == [(1, 3), (2, 4)]


def test_a_table_of_another_role_keeps_no_other_from_being_described(
    listing: Listing, small: Cycle, captured: Capture
) -> None:
    small.run("one")
    admin(
        small,
        "DROP ROLE IF EXISTS loader; CREATE ROLE loader LOGIN PASSWORD 'for-tests-alone';"
        f'GRANT ALL ON DATABASE "{small.database}" TO loader;'
        "GRANT ALL ON ALL TABLES IN SCHEMA directory TO loader; GRANT ALL ON SCHEMA directory TO loader;"
        f"ALTER TABLE directory.{RESOURCE}_changes OWNER TO loader;"
        f"COMMENT ON TABLE directory.{RESOURCE}_changes IS NULL;"
        "COMMENT ON TABLE directory.directory_syncs IS NULL",
    )
    with small.with_(role=("loader", "for-tests-alone")).warehouse() as (warehouse, _):
        warehouse.create_views(small.parsed, fields_of(small.parsed, warehouse))
    found = described(small)
    assert found[f"{RESOURCE}_changes", None]
    assert found["directory_syncs", None] is None
    [line] = {line for line in captured.lines if "cannot be described" in line}
    assert "`directory_syncs` cannot be described now (it belongs to another role)" in line
    admin(small, "REASSIGN OWNED BY loader TO postgres; DROP OWNED BY loader; DROP ROLE loader")


def test_readers_keep_their_rights_on_a_view_that_is_made_anew(listing: Listing, small: Cycle) -> None:
    small.run("one")
    view = f"directory.{RESOURCE}_current"
    admin(
        small,
        f"DROP ROLE IF EXISTS reader; DROP ROLE IF EXISTS giver; CREATE ROLE reader; CREATE ROLE giver;"
        f"GRANT SELECT ON {view} TO reader; GRANT SELECT ON {view} TO giver WITH GRANT OPTION",
    )
    listing.entries[0]["doors"] = "many"
    small.run("two")
    assert small.query(f"SELECT doors FROM {RESOURCE}_current WHERE id = 1") == [("many",)]
    assert admin(small, f"SELECT has_table_privilege('reader', '{view}', 'SELECT')") == [(True,)]
    may_give = "SELECT has_table_privilege(%s, %s, 'SELECT WITH GRANT OPTION')"
    assert [admin(small, may_give, role, view) for role in ("reader", "giver")] == [[(False,)], [(True,)]]
    admin(small, "DROP OWNED BY reader, giver; DROP ROLE reader, giver")
