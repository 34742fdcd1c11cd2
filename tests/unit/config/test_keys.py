"""A key is read from a record exactly, and equal keys are equal wherever they are compared."""

import json
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.config.keys import ID, MAX_CHARACTERS, EntryId, Key, NoKeyError, parse_key
from directory_sync.errors import ConfigError

TWO = Key((("site", "code"), ("number",)))


def parse(**resource: Any) -> Key:
    return parse_key(resource, where="resource `machines`")


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ("sys_id", [("sys_id",)]),
        ("_id", [("_id",)]),
        ("$id", [("$id",)]),
        ("@odata", [("@odata",)]),
        ("Asset Number", [("Asset Number",)]),
        ("attributes.code", [("attributes", "code")]),
        ("$.attributes.code", [("attributes", "code")]),
        ("['@odata.id']", [("@odata.id",)]),
        ("$['urn:x:2.0:Machine'].code", [("urn:x:2.0:Machine", "code")]),
        ('a["b.c"]', [("a", "b.c")]),
        (["site", "number"], [("site",), ("number",)]),
        (("site.code", "id"), [("site", "code"), ("id",)]),
    ],
)
def test_a_key_is_read_as_the_form_writes_it(written: Any, paths: list[tuple[str, ...]]) -> None:
    key = parse(primary_key=written)
    assert key.paths == tuple(paths)
    assert parse(primary_key=list(key.names)) == key


@pytest.mark.parametrize(
    "written", ["", ".", "a.", ".a", "a..b", "a[0]", "a[*].b", "*", "{a}", "a['']", "a'b"]
)
def test_what_leads_to_no_field_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match="of resource `machines` is not supported"):
        parse(primary_key=written)


def test_a_form_without_a_key_goes_by_id() -> None:
    assert parse() == ID
    assert ID.of({"id": 7}) == 7


@pytest.mark.parametrize(
    "columns",
    [
        {"a": {"primary_key": True}, "b": {}, "c": {"primary_key": True}},
        [{"name": "a", "primary_key": True}, {"name": "c", "primary_key": True}],
    ],
    ids=["a mapping", "a list"],
)
def test_a_key_may_stand_in_the_hints_of_its_columns_as_in_dlt(columns: Any) -> None:
    assert parse(columns=columns).names == ("a", "c")
    assert parse(columns=columns, primary_key=["c", "a"]).names == ("c", "a")


values: st.SearchStrategy[EntryId] = st.integers(-(2**63), 2**63 - 1) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=80
)


@given(st.lists(values, min_size=2, max_size=4))
def test_the_text_of_several_fields_is_the_same_in_every_library(of_fields: list[EntryId]) -> None:
    key = Key(tuple((f"f{number}",) for number in range(len(of_fields))))
    text = key.of({f"f{number}": value for number, value in enumerate(of_fields)})
    assert isinstance(text, str)
    assert text.encode() == orjson.dumps(of_fields)
    assert text == json.dumps(of_fields, ensure_ascii=False, separators=(",", ":"))
    assert list(key.values(text)) == of_fields
    # The audit and the controls of `detail_path` take the text apart in DuckDB.
    row = duckdb.execute(
        "SELECT json_array_length($t), json_extract_string($t, '$[*]'), "
        "list_transform(json_extract($t, '$[*]'), x -> json_type(x) = 'VARCHAR')",
        {"t": text},
    ).fetchone()
    assert row == (
        len(of_fields),
        [str(value) for value in of_fields],
        [isinstance(value, str) for value in of_fields],
    )


@given(st.tuples(values, values), st.tuples(values, values))
def test_different_keys_are_different_texts(one: tuple[EntryId, ...], other: tuple[EntryId, ...]) -> None:
    texts = {TWO.of({"site": {"code": pair[0]}, "number": pair[1]}) for pair in (one, other)}
    assert len(texts) == len({one, other})


UNUSABLE = {
    "missing": ({"site": {}}, r"has no usable `site\.code` \(missing\)"),
    "in no object": ({"site": None}, r"`site\.code` \(missing\)"),
    "in a list": ({"site": [{"code": 1}]}, r"`site\.code` \(missing\)"),
    "null": ({"site": {"code": None}}, r"`site\.code` \(null\)"),
    "true": ({"site": {"code": True}}, r"`site\.code` \(boolean\)"),
    "a fraction": ({"site": {"code": 1.0}}, r"`site\.code` \(number\)"),
    "an object": ({"site": {"code": {}}}, r"`site\.code` \(object\)"),
    "a list": ({"site": {"code": []}}, r"`site\.code` \(array\)"),
    "empty": ({"site": {"code": ""}}, r"`site\.code` \(an empty string\)"),
    "too long": ({"site": {"code": "x" * (MAX_CHARACTERS + 1)}}, r"`site\.code` of more than 1024"),
    "too large": ({"site": {"code": 2**63}}, r"`site\.code` of more than 64 bits"),
}


@pytest.mark.parametrize(("record", "finding"), UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("key", [Key((("site", "code"),)), TWO], ids=["single", "several"])
def test_a_value_that_is_no_key_is_refused_with_its_field(key: Key, record: Any, finding: str) -> None:
    with pytest.raises(NoKeyError, match=finding):
        key.of({**record, "number": 1})


def test_fields_that_are_short_alone_are_refused_where_their_key_is_too_long() -> None:
    record = {"site": {"code": "x" * 1000}, "number": "y" * 30}
    with pytest.raises(NoKeyError, match=r"a key \(`site\.code`, `number`\) of more than 1024 characters"):
        TWO.of(record)


def test_the_type_of_each_field_is_told() -> None:
    assert TWO.type_of(TWO.of({"site": {"code": "7"}, "number": 7})) == "VARCHAR, BIGINT"
    assert (ID.type_of(7), ID.type_of('["a",7]')) == ("BIGINT", "VARCHAR")


@pytest.mark.parametrize(
    ("key", "path", "entry_id", "filled"),
    [
        (ID, "/v1/{id}", "a/b", "/v1/a%2Fb"),
        (Key((("sys_id",),)), "/v1/{id}", 7, "/v1/7"),
        (Key((("sys_id",),)), "/v1/{sys_id}", 7, "/v1/7"),
        (TWO, "/{number}/of/{site.code}", '["a b",7]', "/7/of/a%20b"),
        (Key((("group",), ("id",))), "/{group}/{id}", '["g/1","{id}"]', "/g%2F1/%7Bid%7D"),
    ],
)
def test_the_path_of_one_entry_takes_the_fields_of_its_key(
    key: Key, path: str, entry_id: EntryId, filled: str
) -> None:
    key.check_placeholders(path, where="`detail_path`")
    assert key.fill(path, entry_id) == filled


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (ID, "/v1"),
        (ID, "/{id}/{id}"),
        (Key((("sys_id",),)), "/{number}"),
        (TWO, "/{id}"),
        (TWO, "/{number}"),
        (TWO, "/{number}/{site}"),
        (TWO, "/{number}/{site.code}/{id}"),
        (TWO, 7),
    ],
)
def test_a_path_of_one_entry_that_does_not_name_it_is_refused(key: Key, path: Any) -> None:
    wanted = " and ".join(f"`{{{name}}}`" for name in key.names)
    with pytest.raises(ConfigError, match="must be a path with") as caught:
        key.check_placeholders(path, where="`detail_path` of resource `machines`")
    assert wanted in str(caught.value)
