"""A connection is read as it stands, or the message says what is wrong with it and never its values."""

import json
import traceback
from functools import partial

import pytest
from airflow.sdk import Connection

from directory_sync.airflow.scope import connection_fields
from directory_sync.config.connections import check_unread, fields_of
from directory_sync.errors import ConfigError

SECRET = "SENTINEL-SECRET"
WELL = {"conn_type": "directory_api", "host": "https://api.example.org", "login": "a", "password": SECRET}
BAD = {
    "number as login": ({"login": 7001}, "its login is a number where a text is needed"),
    "number as password": ({"password": 7001}, "its password is a number"),
    "truth as login": ({"login": True}, "its login is a boolean"),
    "list as host": ({"host": [SECRET]}, "its host is a list"),
    "extra that is no JSON": ({"extra": SECRET}, "its extra is not a JSON object"),
    "extra that is a list": ({"extra": json.dumps([SECRET])}, "its extra is not a JSON object"),
    "extra that is cut off": ({"extra": '{"scope": "' + SECRET}, "its extra is not a JSON object"),
    "key that no connection has": ({"hots": SECRET}, "has an unknown key; valid: conn_type"),
    "port that is no number": ({"port": SECRET}, "is set, and Airflow cannot read it"),
}


@pytest.fixture
def variable(monkeypatch):
    """Sets the variable that holds the connection."""
    return partial(monkeypatch.setenv, "AIRFLOW_CONN_PROBE")


def refusal():
    with pytest.raises(ConfigError, match="The connection `probe` cannot be read: ") as caught:
        connection_fields("probe")
    shown = "".join(traceback.format_exception(caught.value))
    error = caught.value
    while error is not None:
        shown += repr(error) + repr(vars(error))
        error = error.__context__
    assert "SENTINEL" not in shown
    assert "7001" not in shown
    return str(caught.value)


@pytest.mark.parametrize(("fields", "said"), BAD.values(), ids=BAD)
def test_a_connection_that_cannot_be_read_says_why(variable, fields, said):
    variable(json.dumps(WELL | fields))
    assert said in refusal()


def test_a_connection_that_is_cut_off_is_not_taken_for_none(variable):
    variable(json.dumps(WELL)[:-3])
    assert "AIRFLOW_CONN_PROBE is not valid JSON" in refusal()


def test_a_connection_that_nobody_gave_is_none():
    check_unread("probe_of_nobody")
    assert connection_fields("probe_of_nobody") is None


@pytest.mark.parametrize("port", [8443, "8443"])
def test_a_connection_of_the_environment_is_read_as_it_stands(variable, port):
    extra = {"scope": "read", "timeout_seconds": 5}
    variable(json.dumps(WELL | {"extra": extra, "port": port}))
    found = connection_fields("probe")
    assert (found.host, found.login, found.password) == ("https://api.example.org", "a", SECRET)
    assert (found.port, found.extra) == (8443, extra)


@pytest.mark.parametrize(("fields", "said"), [BAD["extra that is no JSON"], BAD["number as login"]])
def test_another_backend_than_the_environment_is_no_less_strict(fields, said):
    with pytest.raises(ConfigError, match=said):
        fields_of("probe", Connection(conn_id="probe", **(WELL | fields)))
