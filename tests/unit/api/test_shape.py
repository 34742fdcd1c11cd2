"""What an answer seems to hold is said by names, types and counts, and never by a value."""

import json

import pytest

from directory_sync.api.shape import shape_in_words


def words_of(body, **headers):
    return shape_in_words(json.dumps(body).encode(), headers)


def entries(**fields):
    return [{name: value(number) for name, value in fields.items()} for number in range(3)]


IDS = entries(id=lambda n: n, name=lambda n: f"SENTINEL {n}")


@pytest.mark.parametrize(
    ("body", "selector"),
    [
        (IDS, "$"),
        ({"data": IDS}, "data"),
        ({"errors": [], "result": {"items": IDS, "tags": ["a"]}}, "result.items"),
        ({"included": IDS[:1], "data": IDS}, "data"),
    ],
)
def test_the_list_is_named_as_the_form_names_it(body, selector):
    assert f'"data_selector": "{selector}", with 3 entries' in words_of(body)


@pytest.mark.parametrize(
    ("envelope", "path"),
    [
        ({"total": 20, "limit": 100}, "total"),
        ({"count": 3, "offset": 0}, "count"),
        ({"meta": {"page": 9, "totalResults": 20}}, "meta.totalResults"),
        ({"totalPages": 9, "total_count": 20}, "total_count"),
    ],
)
def test_the_count_is_named_as_the_form_names_it(envelope, path):
    assert f'"total_path": "{path}", which says' in words_of({"data": IDS, **envelope})


@pytest.mark.parametrize("envelope", [{}, {"total": 1}, {"total": "20"}, {"limit": 100}, {"totalPages": 9}])
def test_what_cannot_be_the_count_is_not_called_so(envelope):
    assert "No count of all entries was found." in words_of({"data": IDS, **envelope})


def test_a_count_in_a_header_is_named():
    assert "the header `X-Total-Count`, which says 20." in words_of(IDS, **{"X-Total-Count": "20"})


def test_the_key_is_the_id_that_is_different_in_every_entry():
    assert '"primary_key": "id", integer' in words_of(IDS)


def test_without_an_id_what_may_be_a_key_is_named():
    found = words_of(entries(uuid=lambda n: f"SENTINEL{n}", group_id=lambda _: 1, name=str))
    assert 'The key: "primary_key": "uuid", string, different in every entry.' in found
    found = words_of(entries(sys_id=lambda n: f"SENTINEL{n}", number=lambda n: n))
    assert (
        'The key: "primary_key": "sys_id", string, different in every entry. Also: "number", integer.'
        in found
    )


@pytest.mark.parametrize("ids", [[1, 1], [1, "2"], [1, None], [True, False], ["", "a"]])
def test_an_id_that_is_no_key_is_not_called_so(ids):
    assert "No key" in words_of([{"id": one} for one in ids])


def test_an_empty_list_has_no_key_to_be_seen():
    assert words_of({"data": []}).endswith("The list is empty: its key cannot be seen.")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "SENTINEL", "code": 3}, "an object with `error` (string), `code` (integer)."),
        ("SENTINEL", "it is of type string."),
        ({f"name{n}": "SENTINEL" for n in range(99)}, "an object with 99 keys."),
        ({"SENTINEL@example.org": 1}, "an object without such a field."),
    ],
)
def test_a_body_without_a_list_is_described_without_its_values(body, said):
    found = words_of(body)
    assert found.startswith("No list is in the body: it is ")
    assert found.endswith(said)
    assert "SENTINEL" not in found


@pytest.mark.parametrize(("body", "kind"), [(b"", "empty"), (b" <html>", "HTML or XML"), (b"x", "no JSON")])
def test_a_body_that_is_no_json_is_said_to_be_none(body, kind):
    assert shape_in_words(body, {}).startswith(f"The body is {kind}")


def test_no_value_of_an_entry_is_said():
    texts = entries(id=lambda n: f"SENTINEL{n}", email=lambda n: f"SENTINEL{n}@example.org")
    for body in (texts, {"data": texts, "total": 3}, {"SENTINEL": texts and {"SENTINEL 2": texts}}):
        assert "SENTINEL0" not in words_of(body)
        assert "example.org" not in words_of(body)
