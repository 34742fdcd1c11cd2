"""Which keys are names, and where a path of the form leads."""

import pytest

from directory_sync.config.fields import (
    MAX_NAMES,
    and_parents,
    field_name,
    is_name,
    readings,
    stable_fields,
    value_at,
    without_field,
)

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize(
    "key",
    [
        "id",
        "displayName",
        "first_name",
        "e-mail",
        "_v",
        "größe",
        "名前",
        "@odata.type",
        "$ref",
        "$schema",
        ENTERPRISE,
    ],
)
def test_a_word_is_a_name(key):
    assert is_name(key)
    assert field_name("a.", key) == f"a.{key}"


@pytest.mark.parametrize(
    "key",
    [
        "", " ", "press@example.org", "Press Seven", "2025-01-01", "4711", "+49 30 1234", "a\nERROR forged",
        "a\x1b[2J", "a\u202eb", "a\u200bb", "x" * 65, "https://example.org", "a.b", "a,b", "urn:x\n",
        "urn:a@b", "`a`", "<b>", "@press@example.org", "*",
    ],
)  # fmt: skip
def test_what_is_no_word_is_data(key):
    assert not is_name(key)
    assert field_name("a.", key) == "a.*"
    assert field_name("", key) == "*"


def shares(**filled):
    return {name.replace("__", "."): {"string": share} for name, share in filled.items()}


def test_fields_of_many_entries_are_named():
    found = shares(id=1.0, name=0.98, a__b=0.3, nickname=0.02)
    assert stable_fields(found, 1000) == found


def test_a_field_that_stands_in_few_of_many_entries_is_data():
    assert set(stable_fields(shares(id=1.0, anna=0.009), 1000)) == {"id"}


@pytest.mark.parametrize("prefix", ["", "members."])
@pytest.mark.parametrize("entries", [4, 8, 30, 60, 600])
def test_an_object_keyed_by_the_entries_own_words_names_none(prefix, entries):
    keyed = {f"{prefix}person_{n}": {"object": round(1 / entries, 4)} for n in range(entries)}
    assert set(stable_fields({"id": {"integer": 1.0}, **keyed}, entries)) == {"id"}


def test_an_object_keyed_by_words_that_few_entries_share_names_none():
    keyed = {f"groups.group_{n}": {"boolean": 0.04} for n in range(40)}
    assert set(stable_fields({"id": {"integer": 1.0}, **keyed}, 1000)) == {"id"}


def test_a_few_optional_fields_of_a_small_directory_are_named():
    assert set(stable_fields(shares(id=1.0, phone=0.2, fax=0.2), 5)) == {"id", "phone", "fax"}


def test_a_field_that_was_named_is_named_until_half_as_many_have_it():
    at_the_edge = shares(id=1.0, fax=0.006)
    assert set(stable_fields(at_the_edge, 10_000)) == {"id"}
    assert set(stable_fields(at_the_edge, 10_000, known={"fax"})) == {"id", "fax"}


def test_no_more_fields_are_named_than_so_many():
    wide = {f"field_{n}": {"string": 1.0} for n in range(MAX_NAMES + 100)}
    assert len(stable_fields({**wide, "id": {"integer": 1.0}}, 10)) == MAX_NAMES


@pytest.mark.parametrize(
    "name", ["press@example.org", "a b", "a\nb", "a.b@c", "2025-01-01", "x.2025-01-01", ""]
)
def test_a_report_of_an_earlier_version_names_no_data_now(name):
    assert stable_fields({name: {"string": 1.0}}, 10) == {}


@pytest.mark.parametrize(
    "name", ["a.*", "*", "meta.etag", f"{ENTERPRISE}.manager.value", "@odata.id", "a.e-mail"]
)
def test_a_name_of_a_report_stays_one(name):
    assert set(stable_fields({name: {"string": 1.0}}, 10)) == {name}


def test_the_objects_a_field_stands_in_have_names_too():
    assert and_parents({"a.b.c", "d"}) == {"a", "a.b", "a.b.c", "d"}


def test_a_path_is_read_with_and_without_its_dots():
    assert list(readings(("a", "b", "c"))) == [("a", "b", "c"), ("a", "b.c"), ("a.b", "c"), ("a.b.c",)]
    assert list(readings(("a",))) == [("a",)]
    assert len(list(readings(tuple("abcdefghijklmnop")))) == 32


SCIM = {"id": 1, "urn:x:2.0:User": {"lastLogin": "now", "title": "t"}, "a.b": 1, "a": {"b": 2, "c": 3}}


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("urn:x:2.0:User.lastLogin", {**SCIM, "urn:x:2.0:User": {"title": "t"}}),
        ("urn:x:2.0:User", {k: v for k, v in SCIM.items() if k != "urn:x:2.0:User"}),
        ("a.b", {"id": 1, "urn:x:2.0:User": SCIM["urn:x:2.0:User"], "a": {"c": 3}}),
        ("a.c", {**SCIM, "a": {"b": 2}}),
        ("urn:x:2.0:User.none", SCIM),
        ("id.none", SCIM),
    ],
)
def test_a_field_is_left_out_however_its_keys_hold_the_dots(path, rest):
    assert without_field(SCIM, path.split(".")) == rest


@pytest.mark.parametrize(
    ("path", "value"),
    [("urn:x:2.0:User.lastLogin", "now"), ("a.b", 2), ("a.c", 3), ("id.x", None), ("none", None)],
)
def test_a_value_is_found_however_its_keys_hold_the_dots(path, value):
    assert value_at(SCIM, path.split(".")) == value
