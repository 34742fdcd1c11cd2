"""A body is read exactly, or refused with its path and type and never its content."""

# ruff: noqa: UP031  JSON is full of braces: percent signs read better than doubled ones
import hashlib
import json
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory_sync.api.answer import (
    hash_record,
    parse_page,
    parse_record,
)
from directory_sync.api.field_types import field_types, json_type
from directory_sync.api.page import Page
from directory_sync.config.keys import ID, MAX_CHARACTERS, Key
from directory_sync.errors import EnvelopeError
from directory_sync.landing.tables import PageColumns

SENTINEL = "SENTINEL-IN-BODY"
WHERE = "/v1/directory at offset 400"


def parse(body, *, selector=("data",), total_path=("total",), ignored_fields=()):
    body = body.encode() if isinstance(body, str) else body
    return parse_page(
        body,
        selector=selector,
        total_path=total_path,
        ignored_fields=ignored_fields,
        where=WHERE,
    )


def entries(*records):
    """The entries of a page that holds these JSON texts."""
    return parse('{"data":[%s],"total":9}' % ",".join(records))[0]


def chain(error):
    waiting, found = [error], []
    while waiting:
        current = waiting.pop()
        if current is not None and current not in found:
            found.append(current)
            waiting += [current.__cause__, current.__context__]
    return found


def nested(depth, kind):
    inner = "[" * depth + "]" * depth if kind == "list" else '{"a":' * depth + "1" + "}" * depth
    return '{"data":[{"id":1,"x":%s,"s":"%s"}]}' % (inner, SENTINEL)


def entry(members):
    return '{"data":[{%s,"s":"%s"}],"total":1}' % (members, SENTINEL)


REFUSED = {
    "empty": (b"", "is not JSON (empty)"),
    "white space": (b" \n", "is not JSON (empty)"),
    "text": (SENTINEL, "is not JSON (16 bytes)"),
    "HTML": (f"<!doctype html><p>{SENTINEL}", "is not JSON (HTML or XML)"),
    "truncated": ('{"data":[{"id":1,"s":"%s"' % SENTINEL, "is not JSON"),
    "two documents": ('{"data":[]} {"s":"%s"}' % SENTINEL, "is not JSON"),
    "two byte order marks": (
        b'\xef\xbb\xbf\xef\xbb\xbf{"data":[],"s":"%s"}' % SENTINEL.encode(),
        "is not JSON",
    ),
    "Latin-1": ('{"data":[{"id":1,"s":"ü%s"}]}' % SENTINEL).encode("latin-1"),
    "UTF-16": ('{"data":[{"id":1,"s":"%s"}]}' % SENTINEL).encode("utf-16"),
    "control character": ('{"data":[{"id":1,"s":"\n%s"}]}' % SENTINEL, "is not JSON"),
    "single quotes": ("{'data':[{'id':1,'s':'%s'}]}" % SENTINEL, "is not JSON"),
    "half a surrogate": entry('"id":1,"x":"\\ud800"'),
    "half a surrogate before text": entry('"id":1,"x":"\\ud800x"'),
    "low surrogate": entry('"id":1,"x":"\\udc00"'),
    "low surrogate in a key": entry('"id":1,"\\udc00":1'),
    "low surrogate in the id": entry('"id":"\\udc00"'),
    "surrogates in the wrong order": entry('"id":1,"x":"\\udc00\\ud800"'),
    "half a surrogate in the envelope": '{"data":[],"%s":"\\udc00"}' % SENTINEL,
    "integer of 5,000 digits": (entry('"id":1,"x":' + "1" * 5000), "is not JSON"),
    "deep lists": (nested(100_000, "list"), "is nested too deeply"),
    "deep objects": (nested(100_000, "object"), "is nested too deeply"),
    "NaN": (entry('"id":1,"x":NaN'), "holds NaN"),
    "Infinity": (entry('"id":1,"x":Infinity'), "holds Infinity"),
    "-Infinity": (entry('"id":1,"x":-Infinity'), "holds -Infinity"),
    "1e999": (entry('"id":1,"x":1e999'), "holds a number out of range"),
    "-1e999": (entry('"id":1,"x":-1e999'), "holds a number out of range"),
    "NaN in the envelope": ('{"data":[],"total":NaN,"s":"%s"}' % SENTINEL, "holds NaN"),
    "doubled key in an entry": (entry('"id":1,"x":1,"x":2'), "doubled key"),
    "doubled key deep in an entry": (entry('"id":1,"x":[{"y":1,"y":1}]'), "doubled key"),
    "key doubled by an escape": (entry('"id":1,"x":1,"\\u0078":2'), "doubled key"),
    "doubled id": (entry('"id":1,"id":1'), "doubled key"),
    "doubled key in the envelope": (
        '{"data":[{"id":1,"s":"%s"}],"data":[]}' % SENTINEL,
        "doubled key",
    ),
    "list where an object was": ('[{"id":1,"s":"%s"}]' % SENTINEL, "no object at `$` (array)"),
    "number where an object was": ("7", "no object at `$` (integer)"),
    "null where an object was": ("null", "no object at `$` (null)"),
    "null list": (
        '{"data":null,"s":"%s"}' % SENTINEL,
        "No list at `data`: the body of /v1/directory at offset 400 has a value of type null",
    ),
    "object for a list": (
        '{"data":{"id":1,"s":"%s"}}' % SENTINEL,
        "No list at `data`: the body of /v1/directory at offset 400 has a value of type object",
    ),
    "text for a list": (
        '{"data":"%s"}' % SENTINEL,
        "No list at `data`: the body of /v1/directory at offset 400 has a value of type string",
    ),
    "no list": (
        '{"items":[{"id":1}],"%s":1}' % SENTINEL,
        "No list at `data`: the body of /v1/directory at offset 400 has `items`.",
    ),
    "empty object": ("{}", "No list at `data`: the body of /v1/directory at offset 400 has nothing"),
    "entry that is a number": ('{"data":[{"id":1,"s":"%s"},7]}' % SENTINEL, "`$.data[1]` of"),
    "entry that is a text": ('{"data":["%s"]}' % SENTINEL, "is of type string; an object is needed"),
    "entry that is null": ('{"data":[null],"s":"%s"}' % SENTINEL, "is of type null"),
    "entry that is a list": ('{"data":[["%s"]]}' % SENTINEL, "is of type array"),
    "id missing": (entry('"ID":1'), "no usable `id` (missing)"),
    "id null": (entry('"id":null'), "no usable `id` (null)"),
    "id empty": (entry('"id":""'), "no usable `id` (an empty string)"),
    "id true": (entry('"id":true'), "no usable `id` (boolean)"),
    "id false": (entry('"id":false'), "no usable `id` (boolean)"),
    "id float": (entry('"id":1.0'), "no usable `id` (number)"),
    "id list": (entry('"id":["%s"]' % SENTINEL), "no usable `id` (array)"),
    "id object": (entry('"id":{"s":"%s"}' % SENTINEL), "no usable `id` (object)"),
    "id very long": (
        entry('"id":"%s"' % (SENTINEL * 100)),
        f"has an `id` of more than {MAX_CHARACTERS} characters",
    ),
    "id above 64 bits": (entry('"id":9223372036854775808'), "`id` of more than 64 bits"),
    "id below 64 bits": (entry('"id":-9223372036854775809'), "`id` of more than 64 bits"),
    "id far above 64 bits": (entry('"id":1' + "0" * 400), "`id` of more than 64 bits"),
}
REFUSED = {name: case if isinstance(case, tuple) else (case, "") for name, case in REFUSED.items()}


@pytest.mark.parametrize(("body", "named"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_body_is_refused_by_path_and_type(body, named):
    with pytest.raises(EnvelopeError) as caught:
        parse(body)
    assert named in str(caught.value)
    assert WHERE in str(caught.value)


@pytest.mark.parametrize("body", [body for body, _ in REFUSED.values()], ids=REFUSED)
def test_no_refusal_holds_content(body):
    with pytest.raises(EnvelopeError) as caught:
        parse(body)
    shown = "".join(traceback.format_exception(caught.value))
    shown += "".join(repr(error) + str(error) for error in chain(caught.value))
    assert SENTINEL not in shown


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("depth", [240, 260, 500, 700, *range(800, 1010, 3)])
def test_every_depth_is_read_or_refused(depth, kind):
    try:
        outcome = parse(nested(depth, kind))[0][0].id
    except EnvelopeError as refused:
        outcome = str(refused)
    assert outcome == 1 or "is nested too deeply" in outcome


def missing(key, *records):
    body = json.dumps({"data": records}).encode()
    with pytest.raises(EnvelopeError) as caught:
        parse_page(body, selector=("data",), total_path=None, key=key, form_file="dags/machines.py")
    return str(caught.value)


def test_a_missing_key_names_the_fields_that_are_there_and_what_to_write():
    machines = [
        {"name": f"M{n % 2}", "sysId": f"x{n}", "tags": [SENTINEL], "Rack Number": n} for n in range(4)
    ]
    told = missing(ID, *machines)
    assert "has no usable `id` (missing); it has `sysId`, `name`, `tags`. Nothing of it was used." in told
    assert 'Set `primary_key` of the resource, such as "primary_key": "sysId", in dags/machines.py' in told


def test_a_missing_key_within_an_object_names_the_fields_of_the_object():
    machines = [{"id": n, "meta": {"rack": {"no": n, "code": f"r{n}"}}} for n in range(3)]
    told = missing(Key((("meta", "rack", "id"),)), *machines)
    assert "no usable `meta.rack.id` (missing); its `meta.rack` has `code`, `no`." in told
    assert '"primary_key": "meta.rack.code"' in told
    told = missing(Key((("meta__rack",),)), *machines)
    assert "a field of an object is written with a dot, such as `object.field`" in told


def test_keys_that_are_data_are_not_named_as_fields():
    """Each entry is an object keyed by data, such as by names of accounts."""
    keyed = [{f"account_{SENTINEL.replace('-', '_')}_{n}": 1, "press@example.org": 1} for n in range(3)]
    assert "(missing); it has 2 other fields. Nothing" in missing(ID, *keyed)
    assert "(missing); it has 40 other fields. " in missing(ID, {f"account_{n}": 1 for n in range(40)})
    assert "(missing); it has no field. " in missing(ID, {})


def test_many_fields_are_named_by_those_that_are_like_keys():
    wide = [{f"field_{n}": 1 for n in range(40)} | {"sys_id": str(n), "number": n} for n in range(3)]
    told = missing(ID, *wide)
    assert "it has `sys_id`, `number`, `field_0`, " in told
    assert " and 34 more. " in told


def test_a_key_of_several_fields_names_the_one_that_cannot_be_used():
    key = Key((("site",), ("number",)))
    [entry] = parse_page(rb'[{"site":"a\u00e9","number":-7}]', selector=(), total_path=None, key=key)[0]
    assert entry.id == '["a\u00e9",-7]'
    with pytest.raises(
        EnvelopeError, match=r"has no usable `number` \(null\)\. .* a field that every entry has"
    ):
        parse_page(b'[{"site":"a","number":null}]', selector=(), total_path=None, key=key)


def test_an_entry_is_named_by_its_place():
    with pytest.raises(EnvelopeError, match=r"`\$\.result\.items\[2\]` of /v1/directory at offset 400"):
        parse('{"result":{"items":[{"id":1},{"id":2},{}]}}', selector=("result", "items"))


def test_the_keys_found_are_named_where_the_list_is_missing():
    with pytest.raises(
        EnvelopeError,
        match=r"No list at `result\.data`: `result` in the body of /v1/directory at offset 400 has `items`",
    ):
        parse('{"result":{"items":[]}}', selector=("result", "data"))


def test_an_object_missing_on_the_way_is_named():
    with pytest.raises(EnvelopeError, match=r"no object at `\$\.result` \(array\)"):
        parse('{"result":[]}', selector=("result", "data"))


def test_integers_and_strings_as_ids_do_not_land_together():
    mixed = [*entries('{"id":1}'), *entries('{"id":"1"}')]
    page = Page(0, 100, mixed, None, datetime(2025, 1, 1, tzinfo=UTC))
    with pytest.raises(EnvelopeError, match="integers and strings are mixed"):
        PageColumns(0).add(page)


@pytest.mark.parametrize(
    ("text", "entry_id"),
    [
        ("1", 1),
        ("0", 0),
        ("-5", -5),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ('"1"', "1"),
        ('"00123"', "00123"),
        ('" "', " "),
        ('"\\u00fc"', "ü"),
        ('"%s"' % ("x" * MAX_CHARACTERS), "x" * MAX_CHARACTERS),
    ],
)
def test_an_id_is_an_integer_or_a_string(text, entry_id):
    (one,) = entries('{"id":%s}' % text)
    assert (one.id, type(one.id)) == (entry_id, type(entry_id))


@pytest.mark.parametrize(
    ("selector", "body"),
    [
        (("data",), '{"data":[{"id":1}]}'),
        (("result", "items"), '{"result":{"items":[{"id":1}]}}'),
        ((), '[{"id":1}]'),
        (("dätä",), '{"d\\u00e4tä":[{"id":1}]}'),
    ],
)
def test_the_selector_leads_to_the_list(selector, body):
    found, _ = parse(body, selector=selector)
    assert [(one.id, one.record) for one in found] == [(1, '{"id":1}')]


def test_a_byte_order_mark_is_no_part_of_the_body():
    found, total = parse(b'\xef\xbb\xbf{"data":[{"id":1}],"total":1}')
    assert ([one.record for one in found], total) == (['{"id":1}'], 1)


@pytest.mark.parametrize(
    ("body", "selector"),
    [
        ("null", ()),
        ('{"result":{"items":null}}', ("result", "items")),
        ('{"total":0}', ("result", "items")),
        ('{"result":null,"total":0}', ("result", "items")),
        ('{"result":{},"total":0}', ("result", "items")),
        ('{"data":null,"errors":[],"error":null}', ("data",)),
    ],
)
def test_an_answer_may_say_without_a_list_that_there_is_none(body, selector):
    arguments = {"selector": selector, "total_path": ("total",)}
    assert parse_page(body.encode(), **arguments, before=0)[0] == []
    with pytest.raises(EnvelopeError):
        parse_page(body.encode(), **arguments)


@pytest.mark.parametrize("body", ['{"result":{}}', '{"result":null}', "{}", '{"result":7,"total":0}', "null"])
def test_a_list_left_out_without_a_count_is_refused(body):
    with pytest.raises(EnvelopeError):
        parse_page(body.encode(), selector=("result", "items"), total_path=("total",), before=0)


def test_an_empty_list_is_a_statement():
    assert parse('{"data":[],"total":0}') == ([], 0)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("3", 3),
        ("0", 0),
        ("null", None),
        ("-1", None),
        ("3.0", None),
        ("true", None),
        ('"3"', None),
        ("[3]", None),
        ('{"value":3}', None),
    ],
)
def test_a_total_is_a_count_or_none(text, total):
    assert parse('{"data":[],"total":%s}' % text)[1] == total


@pytest.mark.parametrize(
    ("body", "total_path", "total"),
    [
        ('{"data":[],"meta":{"count":4}}', ("meta", "count"), 4),
        ('{"data":[],"meta":{}}', ("meta", "count"), None),
        ('{"data":[],"meta":[4]}', ("meta", "count"), None),
        ('{"data":[]}', ("meta", "count"), None),
        ('{"data":[],"total":4}', None, None),
    ],
)
def test_the_total_path_leads_to_the_total(body, total_path, total):
    assert parse(body, total_path=total_path)[1] == total


RECORDS = [
    '{"id":1}',
    '{ "id" :\t1 ,\r\n  "b" : [ 1 , 2 ] }',
    '{"b":1,"id":1,"a":2}',
    '{"id":1,"s":"\\u00fc\\u4e2d\\ud83d\\ude00"}',
    '{"id":1,"s":"ü中😀"}',
    '{"id":1,"s":"\\/\\"\\\\\\b"}',
    '{"id":1,"n":123456789012345678901234567890}',
    '{"id":1,"n":1.10}',
    '{"id":1,"n":1E+2}',
    '{"id":1,"n":-0.0}',
    '{"id":1,"n":0.1000000000000000055511151231257827}',
    '{"id":1,"s":"}],[{"}',
    '{"id":1,"":null,"a.b":{"c":[]}}',
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_the_text_of_the_api(record):
    (one,) = entries(record)
    assert one.record == record


def test_the_records_of_a_page_stay_apart_and_in_order():
    body = '{"data" : [ %s\n] , "total" : 13 }' % " ,\n".join(RECORDS)
    assert [one.record for one in parse(body)[0]] == RECORDS


def test_a_landed_record_parses_exactly():
    assert parse_record('{"id":1,"n":123456789012345678901234567890}') == {
        "id": 1,
        "n": 123456789012345678901234567890,
    }


def hash_of(record, ignored_fields=()):
    found, _ = parse('{"data":[%s]}' % record, ignored_fields=ignored_fields)
    return found[0].row_hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"id":1,"a":1,"b":2}', '{"b":2,"a":1,"id":1}'),
        ('{"id":1,"a":{"x":1,"y":2}}', '{"id":1,"a":{"y":2,"x":1}}'),
        ('{"id":1,"a":[{"x":1,"y":2}]}', '{"id":1,"a":[{"y":2,"x":1}]}'),
        ('{"id":1,"a":[1,2]}', '{ "id" : 1 ,\n "a" : [ 1 , 2 ] }'),
        ('{"id":1,"s":"ü/"}', '{"id":1,"s":"\\u00fc\\/"}'),
        ('{"id":1,"n":1.10}', '{"id":1,"n":1.1}'),
        ('{"id":1,"n":36893488147419103232,"b":2}', '{"b":2,"n":36893488147419103232,"id":1}'),
    ],
)
def test_the_hash_ignores_how_the_same_is_written(one, other):
    assert hash_of(one) == hash_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"id":1,"a":1}', '{"id":1,"a":"1"}'),
        ('{"id":1,"a":1}', '{"id":1,"a":1.0}'),
        ('{"id":1,"a":1}', '{"id":1,"a":true}'),
        ('{"id":1,"a":0}', '{"id":1,"a":false}'),
        ('{"id":1,"a":null}', '{"id":1}'),
        ('{"id":1,"a":null}', '{"id":1,"a":"null"}'),
        ('{"id":1,"a":""}', '{"id":1,"a":null}'),
        ('{"id":1,"a":[]}', '{"id":1,"a":{}}'),
        ('{"id":1,"a":[1,2]}', '{"id":1,"a":[2,1]}'),
        ('{"id":1,"a":9007199254740992}', '{"id":1,"a":9007199254740993}'),
        ('{"id":1,"a":18446744073709551615}', '{"id":1,"a":18446744073709551616}'),
        ('{"id":1,"a":36893488147419103232}', '{"id":1,"a":36893488147419103233}'),
        ('{"id":1,"s":"é"}', '{"id":1,"s":"e\u0301"}'),
        ('{"id":1,"s":"a "}', '{"id":1,"s":"a"}'),
        ('{"id":1,"a":{"b":1}}', '{"id":1,"a.b":1}'),
    ],
)
def test_the_hash_tells_different_entries_apart(one, other):
    assert hash_of(one) != hash_of(other)


@pytest.mark.parametrize(
    ("ignored", "one", "other"),
    [
        (("seen",), '{"id":1,"seen":1}', '{"id":1,"seen":2}'),
        (("seen",), '{"id":1,"seen":1}', '{"id":1}'),
        (("meta", "etag"), '{"id":1,"meta":{"etag":1,"a":1}}', '{"id":1,"meta":{"a":1,"etag":2}}'),
        (("meta", "etag"), '{"id":1,"meta":{"etag":1}}', '{"id":1,"meta":{}}'),
        (("a", "b", "c"), '{"id":1,"a":{"b":{"c":1}}}', '{"id":1,"a":{"b":{"c":2}}}'),
        (("n",), '{"id":1,"n":36893488147419103232}', '{"id":1,"n":1}'),
    ],
)
def test_an_ignored_field_does_not_count(ignored, one, other):
    assert hash_of(one, [ignored]) == hash_of(other, [ignored])


@pytest.mark.parametrize(
    ("ignored", "one", "other"),
    [
        (("seen",), '{"id":1,"x":{"seen":1}}', '{"id":1,"x":{"seen":2}}'),
        (("meta", "etag"), '{"id":1,"etag":1}', '{"id":1,"etag":2}'),
        (("meta", "etag"), '{"id":1,"meta":"a"}', '{"id":1,"meta":"b"}'),
        (("meta", "etag"), '{"id":1,"meta":[{"etag":1}]}', '{"id":1,"meta":[{"etag":2}]}'),
        (("meta", "etag"), '{"id":1,"meta":{"a":1}}', '{"id":1,"meta":{"a":2}}'),
    ],
)
def test_only_the_very_path_is_ignored(ignored, one, other):
    assert hash_of(one, [ignored]) != hash_of(other, [ignored])


def test_an_ignored_field_stays_in_the_record():
    found, _ = parse('{"data":[{"id":1,"seen":7}]}', ignored_fields=[("seen",)])
    assert found[0].record == '{"id":1,"seen":7}'


def test_hashing_leaves_the_record_as_it_was():
    record = {"id": 1, "meta": {"etag": 1, "a": 2}}
    hash_record(record, [("meta", "etag")])
    assert record == {"id": 1, "meta": {"etag": 1, "a": 2}}


def test_the_hash_is_the_same_on_every_machine_and_day():
    """Warehouses hold these; a change of the rule must be noticed."""
    canonical = '{"a":[1,2.5,null,true],"b":"ü","id":1}'
    assert hash_record({"id": 1, "b": "ü", "a": [1, 2.5, None, True]}) == (
        hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
    )


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    fields=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=4), JSON_VALUES, max_size=4
    ),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 3]),
)
def test_any_record_is_read_exactly(fields, ascii_only, indent):
    record = {**fields, "id": 7}
    plain = json.dumps(record)
    written = json.dumps(dict(reversed(record.items())), ensure_ascii=ascii_only, indent=indent)
    (one,) = entries(written)
    assert (one.id, one.record) == (7, written)
    assert one.row_hash == hash_of(plain)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=40)
    | st.text(alphabet='{}[]":,datio01eE.- \\u', max_size=40).map(str.encode)
    | st.text(alphabet='{}[]":,1nulid', max_size=12).map(lambda t: b'{"data":[%b]}' % t.encode())
)
def test_any_bytes_are_a_page_or_an_envelope_error(body):
    try:
        found, _ = parse(body)
    except EnvelopeError:
        return
    assert all(json.loads(one.record)["id"] == one.id for one in found)


HEALTHY = {
    "data": [{"id": 1, "n": "ü", "o": {"a": [1, {"b": None}]}}, {"id": 2, "n": "x"}, {"id": "3"}],
    "meta": {"count": 3, "page": [{"items": [{"id": 4}]}]},
    "result": {"items": [{"id": 5, "seen": 1.5}], "total": 1},
    "total": 3,
}
SELECTORS = [("data",), ("result", "items"), ("meta", "page"), ("meta", "page", "items"), ("total",), ()]
ODD_VALUES = JSON_VALUES | st.sampled_from(
    [float("nan"), float("inf"), "\ud800", 2**63, -(2**63) - 1, 10**400, "x" * 2000, "", True, {}, []]
)


def paths_of(value, path=()):
    """The paths of all values in a JSON value, the root's too."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    )
    for key, inner in members:
        yield from paths_of(inner, (*path, key))


def with_value(document, path, change):
    """The document with the value at a path changed; a list or object may lose or double it."""
    if not path:
        return change(document)
    copied = list(document) if isinstance(document, list) else dict(document)
    copied[path[0]] = with_value(document[path[0]], path[1:], change)
    return copied


@st.composite
def mutated_bodies(draw):
    """A healthy body with some values replaced, then some bytes replaced, cut, doubled or put in."""
    document = HEALTHY
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(sorted(paths_of(document), key=str)))
        value = draw(ODD_VALUES)
        changes = [lambda _, v=value: v, lambda old: [old, old], lambda old, v=value: {"id": v, "was": old}]
        document = with_value(document, path, draw(st.sampled_from(changes)))
    body = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        until = draw(st.integers(at, min(len(body), at + 40)))
        between = draw(
            st.sampled_from([b"", body[at:until] * 2, b"NaN", b"\xff", b"\x00", b'"id":1,', b"[" * 2000])
        )
        body = body[:at] + between + body[until:]
    return body


def assert_says_where_and_no_more(refused):
    assert WHERE in str(refused)
    assert "Nothing of it was used" in str(refused)
    assert chain(refused) == [refused]


@given(
    body=mutated_bodies(),
    selector=st.sampled_from(SELECTORS),
    total_path=st.sampled_from([None, ("total",), ("meta", "count"), ("result", "total"), ("data", "id")]),
    ignored=st.sampled_from([(), (("n",),), (("o", "a"), ("seen",))]),
)
def test_any_body_made_of_a_healthy_one_is_a_page_or_an_envelope_error(body, selector, total_path, ignored):
    try:
        found, total = parse(body, selector=selector, total_path=total_path, ignored_fields=ignored)
    except EnvelopeError as refused:
        assert_says_where_and_no_more(refused)
        return
    assert total is None or (type(total) is int and total >= 0)
    for one in found:
        assert json.loads(one.record)["id"] == one.id
        assert type(one.id) in (int, str)
        assert one.id != ""
        assert len(one.row_hash) == 32
        one.record.encode()


def test_the_fields_of_an_entry_are_its_paths_and_types():
    (one,) = entries('{"id":1,"n":null,"b":true,"f":1.5,"s":"x","l":[{"y":1}],"o":{"a":{"i":2},"e":{}}}')
    assert one.fields == (
        ("id", "integer"),
        ("n", "null"),
        ("b", "boolean"),
        ("f", "number"),
        ("s", "string"),
        ("l", "array"),
        ("o.a.i", "integer"),
    )


def test_the_fields_of_a_record_can_be_prefixed():
    assert list(field_types({"a": 1}, "x.")) == [("x.a", "integer")]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "integer"),
        (1.0, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
    ],
)
def test_a_type_has_the_name_it_has_in_json(value, name):
    assert json_type(value) == name


def test_entries_of_one_shape_share_their_fields():
    first, second = entries('{"id":1,"o":{"a":1},"s":"x"}', '{"id":2,"o":{"a":9},"s":"y"}')
    assert first.fields is second.fields


def test_an_object_between_fields_keeps_its_place_and_a_pair_is_there_once():
    (one,) = entries('{"id":1,"o":{"a b":1,"c d":2,"e":{"f":1}},"s":"x","p":{"q":null}}')
    assert one.fields == (
        ("id", "integer"),
        ("o.*", "integer"),
        ("o.e.f", "integer"),
        ("s", "string"),
        ("p.q", "null"),
    )
