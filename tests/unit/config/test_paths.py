"""JSONPaths that lead to one place are read as dlt reads them; the others are refused."""

import json

import pytest
from dlt.common.jsonpath import find_values

from directory_sync.config.masking import body_secrets
from directory_sync.config.paths import parse_keys, parse_list_path, written
from directory_sync.errors import ConfigError

BODY = {"a": {"b.c": [{"node": {"id": 1}}, {"node": {"id": 2}}], "d-e": 7}, "@odata.count": 2}


@pytest.mark.parametrize(
    ("path", "keys", "item"),
    [
        ("$", (), ()),
        ("$[*]", (), ()),
        ("a", ("a",), ()),
        ("$.a.d-e", ("a", "d-e"), ()),
        ("$['a']['b.c']", ("a", "b.c"), ()),
        ("a.'b.c'[*]", ("a", "b.c"), ()),
        ("$.a['b.c'][*].node", ("a", "b.c"), ("node",)),
    ],
)
def test_a_path_to_one_list_is_its_keys(path, keys, item):
    assert parse_list_path(path, where="`things`") == (keys, item)


@pytest.mark.parametrize(
    "path", ["a[0]", "a.*", "*", "$..id", "a[?(@.id==1)]", "a[*].b[*]", "['a','b']", "a[", 5]
)
def test_a_path_to_several_places_is_refused(path):
    for parse in (parse_list_path, parse_keys):
        with pytest.raises(ConfigError, match=r"The path .* of `things` is not supported"):
            parse(path, where="`things`")


@pytest.mark.parametrize("keys", [("a", "d-e"), ("@odata.count",), ("a", "b.c")])
def test_a_path_as_messages_write_it_is_read_by_dlt_and_here(keys):
    path = written(keys)
    assert parse_keys(path, where="`things`") == keys
    [found] = find_values(path, BODY)
    expected = BODY
    for key in keys:
        expected = expected[key]
    assert json.dumps(found) == json.dumps(expected)


def test_what_sounds_secret_in_a_body_is_masked():
    body = {"query": "active", "page": {"size": 5}, "clients": [{"api_key": "k-1"}], "token": None}
    assert set(body_secrets(body)) == {"k-1"}
