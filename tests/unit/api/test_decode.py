"""orjson's result is used only where it is what the standard library's strict decoder gives."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.api.decode import UNPROVEN, RefusedError, decode, decode_fast


class DoubledError(Exception):
    """An object has two equal keys."""


def once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise DoubledError
    return dict(pairs)


def strictly(body):
    return repr(json.loads(body.decode(), object_pairs_hook=once))


TEXTS = st.text(alphabet='a:\\"/\u00e9\u2028\U0001f600\x7f:', max_size=4)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**19]),
    st.floats(allow_nan=False, allow_infinity=False),
)


def written(values):
    """Objects and lists of JSON texts, with keys that may be equal and written in two ways."""

    def escaped(text):
        return (
            '"'
            + "".join(f"\\u{ord(char):04x}" if char in "a:" else json.dumps(char)[1:-1] for char in text)
            + '"'
        )

    keys = TEXTS.flatmap(lambda text: st.sampled_from([json.dumps(text), escaped(text)]))
    objects = st.lists(st.tuples(keys, values), max_size=4).map(
        lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    )
    return st.one_of(
        objects, st.lists(values, max_size=4).map(lambda inner: "[" + ",".join(inner) + "]"), keys
    )


DOCUMENTS = st.recursive(
    st.one_of(NUMBERS.map(json.dumps), TEXTS.map(json.dumps), st.sampled_from(["null", "true", "-0", "1E5"])),
    written,
    max_leaves=12,
)


@given(text=DOCUMENTS)
def test_any_document_is_decoded_as_by_the_standard_library_or_refused_as_doubled(text):
    body = text.encode()
    try:
        expected = strictly(body)
    except DoubledError:
        with pytest.raises(RefusedError, match="doubled key"):
            decode(body)
        return
    assert repr(decode(body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":"\\u003a"}',
        b'{"a":1,"a":"\\u003A"}',
        b'{"a":1,"a":"\\u003a:"}',
        b'{"x":":","o":{"k:":1,"k\\u003a":2}}',
        b'[{"a":1,"\\u0061":1}]',
    ],
)
def test_no_colon_hides_a_doubled_key(body):
    with pytest.raises(RefusedError, match="doubled key"):
        decode(body)


@pytest.mark.parametrize(
    "number", [2**64, -(2**63) - 1, 10**19 + 1, 10**30 + 1, -(10**18) * 9 - 1, 18446744073709551617]
)
def test_an_integer_of_more_than_64_bits_keeps_its_digits(number):
    assert decode(b'{"id":%d}' % number) == {"id": number}
    assert type(decode(b'{"id":%d}' % number)["id"]) is int


@pytest.mark.parametrize("depth", [10, 253, 254, 255, 400])
def test_nesting_is_decoded_as_deep_as_the_standard_library_does(depth):
    text = "[" * depth + "]" * depth
    assert decode(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":9007199254740993,"when":"2026-01-01T00:00:00Z","x":-1.5e3}],"total":1}',
        b'{"id":"1234567890123456789","url":"https://a.example/x","n":[null,true,{}]}',
    ],
)
def test_a_usual_body_is_decoded_by_orjson_alone(body):
    assert decode_fast(body) is not UNPROVEN
