"""The command line: `python -m directory_sync probe URL` writes the form for a list of an API."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from airflow.sdk.log import mask_secret

from directory_sync.airflow.hook import in_words
from directory_sync.airflow.scope import connection_fields
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import API_CONNECTION, ConnectionFields, missing_connection
from directory_sync.config.sign_in import NONE
from directory_sync.config.urls import is_http_url, shown_origin
from directory_sync.errors import AuthError, ConfigError, DirectorySyncError
from directory_sync.probe.probe import probe

_UNSEEN = (
    f"There is no connection `{API_CONNECTION}` in AIRFLOW_CONN_{API_CONNECTION.upper()} or a secrets "
    "backend. One that was made in Airflow's interface cannot be read here: set the variable, or name "
    "another by --connection."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code.

    Args:
        arguments: the words of the command line; None: those of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m directory_sync", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("probe", help="read a page or two of a list, and write the form for it")
    one.add_argument("url", help="the URL of the list, such as https://directory.example.org/v1/people")
    one.add_argument(
        "--connection",
        help="the id of the connection that signs in, from AIRFLOW_CONN_... or a secrets backend; without it "
        f"{API_CONNECTION}, if that is there, else no sign-in",
    )
    given = parser.parse_args(arguments)
    try:
        told = probe(given.url, _access(given.url, given.connection), mask=mask_secret)
    except DirectorySyncError as e:
        sys.stderr.write(f"{in_words(e, path='the URL')}\n")
        if isinstance(e, AuthError) and not given.connection and connection_fields(API_CONNECTION) is None:
            sys.stderr.write(f"{_UNSEEN}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


def _access(url: str, conn_id: str | None) -> ApiSettings:
    """Returns how to reach and to sign in to the API of a URL."""
    if not is_http_url(url):
        raise ConfigError(
            "The URL must begin with http:// or https:// and have a host. Nothing was requested."
        )
    found = connection_fields(conn_id or API_CONNECTION)
    if found is None and conn_id:
        raise missing_connection(conn_id)
    if found is None:
        found = ConnectionFields(conn_id=API_CONNECTION, conn_type="directory_api", extra={"auth_type": NONE})
    return ApiSettings.from_connection(found if found.host else replace(found, host=shown_origin(url)))
