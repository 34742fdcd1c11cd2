"""A message shows of a URL no user, no password and no query."""

import pytest

from directory_sync.config.urls import has_userinfo, origin, shown, shown_origin


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://api.example.org/v1/list", "https://api.example.org/v1/list"),
        ("https://api.example.org:8443/v1?key=S#S", "https://api.example.org:8443/v1"),
        ("https://user:S@api.example.org/v1", "https://api.example.org/v1"),
        ("https://S@api.example.org", "https://api.example.org"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("/v1/list?key=S", "/v1/list"),
        ("//user:S@api.example.org/v1", "://api.example.org/v1"),
        ("user:S@api.example.org", "(a text that is no URL)"),
        ("https://user:pass/S@api.example.org", "(a text that is no URL)"),
        ("https://[::1/S", "(a text that is no URL)"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url, said):
    assert shown(url) == said


def test_the_origin_of_a_url_is_shown_without_its_path():
    assert shown_origin("https://user:S@api.example.org:8443/v1?S") == "https://api.example.org:8443"
    assert shown_origin("https://api.example.org:S") == "(a text that is no URL)"


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        ("https://a.example.org/x", "https://A.example.org:443/y", True),
        ("http://a.example.org", "http://a.example.org:80", True),
        ("http://a.example.org", "https://a.example.org", False),
        ("https://a.example.org", "https://b.example.org", False),
        ("https://a.example.org", "https://a.example.org:8443", False),
        ("https://a.example.org", "https://a.example.org.evil.example", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one, other, are_the_same):
    assert (origin(one) == origin(other)) is are_the_same


@pytest.mark.parametrize(
    "url", ["https://user@a.example.org", "https://:p@a.example.org/x", "//u:p@a", "//[u@a"]
)
def test_a_user_before_the_host_is_seen(url):
    assert has_userinfo(url)


def test_an_at_sign_in_a_path_is_no_user():
    assert not has_userinfo("https://a.example.org/@me?x=@")
