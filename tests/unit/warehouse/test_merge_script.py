"""dlt's script of a merge, without the list of rows to insert where it has all of them."""

import pytest

from directory_sync.warehouse.destinations.one_transaction import without_list

STAGED = '"staging"."things"'
DELETES = (
    'CREATE TEMPORARY TABLE things_delete_0a AS SELECT d."_dlt_id" FROM "live"."things" as d WHERE 1 = 1\n'
)
INSERTS = (
    f'INSERT INTO "live"."things"("id") SELECT "id" FROM {STAGED} WHERE %s\n'
    'INSERT INTO "live"."things__codes"("code") SELECT "code" FROM "staging"."things__codes" WHERE %s'
)
BY_LIST = INSERTS % tuple(
    f'"{column}" IN (SELECT * FROM things_insert_0b)' for column in ("_dlt_id", "_dlt_root_id")
)


@pytest.mark.parametrize("end", ["\n", ";\n"])
def test_a_list_of_all_staged_rows_is_left_out(end: str) -> None:
    listing = f'CREATE TEMPORARY TABLE things_insert_0b AS SELECT "_dlt_id" FROM {STAGED} WHERE 1 = 1{end}'
    assert without_list(DELETES + listing + BY_LIST) == DELETES + INSERTS % ("1 = 1", "1 = 1")


@pytest.mark.parametrize(
    "listing",
    [
        f'CREATE TEMPORARY TABLE things_insert_0b AS SELECT "_dlt_id" FROM {STAGED} WHERE "gone" IS NULL\n',
        f'CREATE TEMPORARY TABLE things_insert_0b AS SELECT "_dlt_id" FROM {STAGED} WHERE 1 = 1 AND "new"\n',
        f'CREATE TEMPORARY TABLE things_insert_0b AS SELECT "_dlt_id" FROM (SELECT 1 FROM {STAGED}) AS n\n',
    ],
    ids=["hard deletes", "another condition", "deduplicated"],
)
def test_a_list_of_some_rows_stays(listing: str) -> None:
    script = DELETES + listing + BY_LIST
    assert without_list(script) == script
