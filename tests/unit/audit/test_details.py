"""Which present entry shows that the path of one entry finds ids like an absent one's."""

import re
from typing import Any

import duckdb
import pytest

from directory_sync.audit.details import bounded, marks
from directory_sync.config.keys import Key, as_text

MATCHES = "SELECT regexp_matches(chr(2) || ? || chr(3), ?)"


def is_like(absent: str, present: str) -> bool:
    """All that is special of one id is so of the other; DuckDB and Python agree on it."""
    found = []
    for mark, _ in marks(absent):
        row = duckdb.execute(MATCHES, [present, mark]).fetchone()
        found.append(bool(re.search(mark, bounded(present))))
        assert row == (found[-1],)
    return all(found)


@pytest.mark.parametrize("entry_id", [1, -5, "abc", "A-b_c.d~e", "a..b", "..."])
def test_a_plain_id_needs_no_control_of_its_own(entry_id: int | str) -> None:
    assert list(marks(entry_id)) == []


@pytest.mark.parametrize(
    ("absent", "present"),
    [
        ("a/b", "cd"),
        ("a//b", "c/d"),
        ("/b", "c/d"),
        ("b/", "c/d"),
        ("a%2Fb", "50%"),
        ("a%2Fb", "5%x"),
        ("a +b", "a b"),
        ("a+b:c", "a+b"),
        ("é+", "a+"),
        ("a\nb", "a b"),
        ("..", "c.d"),
        ("..", "a/.."),
        (".", ".."),
        ("a]b", "a[b"),
        ("a\\b", "a/b"),
    ],
)
def test_ids_that_differ_in_what_is_special_are_not_alike(absent: str, present: str) -> None:
    assert not is_like(absent, present)


@pytest.mark.parametrize(
    ("absent", "present"),
    [
        ("a/b", "c/d/e"),
        ("a%2Fb", "c%2fd"),
        ("x y", "z w"),
        ("/b", "/c"),
        ("b/", "cc/"),
        ("ö1", "ß2"),
        ("ö1", "東京2"),
        ("a\nb", "c\nd"),
        ("a]b", "x]y"),
        ("a\\b", "c\\d"),
        ("a@b.c", "d@e.f"),
        ("urn:x:1", "urn:y:2"),
    ],
)
def test_ids_with_the_same_special_characters_are_alike(absent: str, present: str) -> None:
    assert is_like(absent, present)


TWO = Key((("site",), ("number",)))


@pytest.mark.parametrize(
    ("absent", "present", "are_like"),
    [
        (("a/b", 7), ("c/d", 8), True),
        (("a/b", 7), ("cd", 8), False),
        (("a/b", "7"), ("cd", "c/d"), False),
        (("ab", "a/b"), ("cd", "c/d"), True),
        (("ab", "a/b"), ("c/d", "cd"), False),
        (("/b", "x"), ("/c", "y"), True),
        (("b", "/x"), ("/c", "y"), False),
        (("x", ".."), ("..", "x"), False),
        (("x", ".."), ("y", ".."), True),
        (("ab", 7), ("cd", 8), True),
    ],
)
def test_keys_of_several_fields_are_alike_where_each_field_is(
    absent: Any, present: Any, are_like: bool
) -> None:
    found = []
    text = "array_to_string(json_extract_string(?, '$[*]'), chr(3) || chr(2))"
    for mark, _ in marks(as_text(absent), TWO):
        found.append(bool(re.search(mark, bounded(as_text(present), TWO))))
        sql = f"SELECT regexp_matches(chr(2) || {text} || chr(3), ?)"
        assert duckdb.execute(sql, [as_text(present), mark]).fetchone() == (found[-1],)
    assert all(found) is are_like


def test_what_is_special_is_named_as_a_url_has_it() -> None:
    assert [label for _, label in marks("a/b c%41")] == ["%25..", "%2F", "%20", "%25"]
