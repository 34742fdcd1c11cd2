"""What headers say is left is read in every form."""

import pytest

from directory_sync.api.allowance import read_allowances

FORMS = {
    "GitHub": {"X-RateLimit-Remaining": "50", "X-RateLimit-Reset": "30"},
    "Okta": {
        "X-Rate-Limit-Remaining": "50",
        "X-Rate-Limit-Reset": "1767225630",
        "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
    },
    "one header a value": {"RateLimit-Remaining": "50", "RateLimit-Reset": "30"},
    "older draft": {"RateLimit": "limit=100, remaining=50, reset=30"},
    "draft": {"RateLimit": '"minute";r=50;t=30'},
    "several": {"RateLimit": '"day";r=5;t=40000, "minute";r=50;t=30, "s";r=90;t=1'},
}
NOTHING = {
    "a day": {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "40000"},
    "a reset in the past": {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "1000000000"},
    "no reset": {"X-RateLimit-Remaining": "5"},
    "no number": {"X-RateLimit-Remaining": "few", "X-RateLimit-Reset": "nan"},
    "negative": {"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "5"},
    "no header": {},
}


LIMITS = {
    "GitHub": ({"X-RateLimit-Limit": "60"}, 60, None),
    "Okta": ({"X-Rate-Limit-Limit": "600"}, 600, None),
    "one header a value": ({"RateLimit-Limit": "100", "RateLimit-Policy": "100;w=60"}, 100, 60),
    "one header a value, older": ({"RateLimit-Limit": "100, 100;w=60"}, 100, 60),
    "older draft": ({"RateLimit-Policy": "100;w=60"}, 100, 60),
    "draft": ({"RateLimit-Policy": '"second";q=9;w=1, "minute";q=100;w=60'}, 100, 60),
}


@pytest.mark.parametrize("headers", FORMS.values(), ids=FORMS)
def test_what_is_left_is_read_in_every_form(headers):
    read = [(one.remaining, one.seconds) for one in read_allowances(headers)]
    assert (50, 30.0) in read
    assert read == [(50, 30.0)] or read == [(50, 30.0), (90, 1.0)]


@pytest.mark.parametrize("form", LIMITS)
def test_the_limit_and_its_window_are_read_where_they_are_stated(form):
    more, limit, window = LIMITS[form]
    (read,) = read_allowances({**FORMS[form.removesuffix(", older")], **more})
    assert (read.limit, read.window_seconds) == (limit, window)


@pytest.mark.parametrize("headers", NOTHING.values(), ids=NOTHING)
def test_what_tells_no_near_reset_is_not_followed(headers):
    assert read_allowances(headers) == []
