"""The table is merged on the columns that dlt makes of the key's fields; none is shared."""

from typing import Any

import pytest
from dlt.common.schema import Schema

from directory_sync.config.form import Resource
from directory_sync.config.keys import parse_key
from directory_sync.config.paging import OffsetPages
from directory_sync.errors import ConfigError
from directory_sync.publish.hints import key_hints
from directory_sync.publish.outcomes import Unstorable
from directory_sync.publish.places import Places
from directory_sync.publish.row_key import RowKey
from directory_sync.warehouse.key_columns import entry_column, key_columns


def resource(primary_key: Any, **hints: Any) -> Resource:
    key = parse_key({"primary_key": primary_key}, where="resource `machines`")
    return Resource(name="machines", path="/m", selector=(), pages=OffsetPages(limit=9), key=key, hints=hints)


@pytest.mark.parametrize(
    ("primary_key", "columns", "entry"),
    [
        ("id", ("id",), "id"),
        ("Id", ("id",), "id"),
        ("userId", ("user_id",), "user_id"),
        ("_id", ("_id",), "_id"),
        ("@odata.etag", ("aodata__etag",), "aodata__etag"),
        ("['@odata.id']", ("aodata_id",), "aodata_id"),
        ("attributes.eMail", ("attributes__e_mail",), "attributes__e_mail"),
        (["site.code", "Number"], ("site__code", "number"), "_key"),
    ],
)
def test_columns_are_named_as_dlt_names_them(primary_key: Any, columns: tuple[str, ...], entry: str) -> None:
    of = resource(primary_key)
    assert (key_columns(Schema("directory"), of), entry_column(Schema("directory"), of)) == (columns, entry)


@pytest.mark.parametrize(
    ("primary_key", "named"),
    [
        (["userId", "user_id"], "`user_id` .* would share the column `user_id` with `userId`"),
        (["a.b", "a__b"], "`a__b` .* would share the column `a__b` with `a.b`"),
        ("_row_hash", "`_row_hash` .* with one that is added to each row"),
        ("_dlt_id", "`_dlt_id` .* with one that is added to each row"),
        (["id", "_key"], "`_key` .* with one that is added to each row"),
    ],
)
def test_a_column_that_is_shared_is_refused(primary_key: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=f"{named}.*Choose another key"):
        key_columns(Schema("directory"), resource(primary_key))
    assert key_columns(Schema("directory"), resource("_key")) == ("_key",)


def test_a_hint_that_contradicts_the_values_of_the_key_is_refused() -> None:
    two = resource(["site", "No"], columns={"No": {"data_type": "text"}, "site": {"description": "where"}})
    assert key_hints(Schema("directory"), two, "VARCHAR, VARCHAR") == {
        name: {"data_type": "text", "nullable": False} for name in ("site", "no")
    }
    with pytest.raises(ConfigError, match="says text for `No`, but the values of the key are bigint"):
        key_hints(Schema("directory"), two, "VARCHAR, BIGINT")


def row_key(of: Resource, *, nesting: int | None = None) -> RowKey:
    schema = Schema("directory")
    if nesting is not None:
        schema.update_table({"name": "machines", "columns": {}, "x-normalizer": {"max_nesting": nesting}})
    columns = key_columns(schema, of)
    return RowKey(of, Places(schema, "machines", ours=(), key=columns), columns)


def test_a_key_within_an_object_that_is_kept_as_json_is_refused() -> None:
    row_key(resource("a.b"), nesting=1)
    row_key(resource("a"), nesting=0)
    with pytest.raises(ConfigError, match=r"The object `a` .* is kept as JSON, by `max_table_nesting`"):
        row_key(resource("a.b"), nesting=0)


def test_a_value_that_its_column_does_not_hold_is_not_stored_beside_it() -> None:
    one = row_key(resource("no"))
    record = {"no": 7}
    one.check(record, record, 7)
    with pytest.raises(Unstorable):
        one.check(record, {"no__v_bigint": 7}, 7)


def test_entries_that_were_read_by_another_key_are_refused() -> None:
    record = {"id": 7, "no": True}
    with pytest.raises(ConfigError, match="were read by another key than `id`"):
        row_key(resource("id")).check(record, record, 8)
    with pytest.raises(ConfigError, match="were read by another key than `no`"):
        row_key(resource("no")).check(record, record, 1)
