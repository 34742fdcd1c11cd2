"""The hook of the connection type `directory_api`, which the Test button calls."""

import re
import time
from typing import Any

from airflow.sdk.log import mask_secret

from directory_sync.airflow.compat import BaseHook
from directory_sync.airflow.hook_form import connection_form_widgets, ui_field_behaviour
from directory_sync.airflow.provider import CONNECTION_TYPE
from directory_sync.airflow.scope import connection_fields
from directory_sync.api.client import DirectoryClient
from directory_sync.api.shape import shape_in_words
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import API_CONNECTION
from directory_sync.config.form import Resource
from directory_sync.config.paging import LinkedPages
from directory_sync.config.sign_in import OAUTH2
from directory_sync.errors import ApiUnavailableError, ConfigError, DirectorySyncError


class DirectoryApiHook(BaseHook):
    """Tests a connection to the directory API.

    Args:
        directory_api_conn_id: the connection's id.
    """

    conn_name_attr = "directory_api_conn_id"
    default_conn_name = API_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = "Directory API"
    # Read before Airflow 3.2 alone.
    get_connection_form_widgets = staticmethod(connection_form_widgets)
    get_ui_field_behaviour = staticmethod(ui_field_behaviour)

    def __init__(self, directory_api_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        """Fetches nothing yet."""
        super().__init__(**kwargs)
        self._conn_id = directory_api_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Signs in, and reads the connection's `Path to try` where it names one.

        Returns:
            Whether that worked, and what was found: fields, types and counts, never a value of an entry.
        """
        try:
            return True, self._try_out()
        except DirectorySyncError as e:
            return False, in_words(e, path="its `Path to try`")

    def _try_out(self) -> str:
        api = ApiSettings.from_connection(connection_fields(self._conn_id))
        # The form is not read: a connection is tested before a Dag file exists.
        tried = Resource(
            name="path_to_try", path=api.test_path, selector=(), pages=LinkedPages(type="single_page")
        )
        # A person waits for the answer: no retries.
        client = DirectoryClient(api, tried, mask=mask_secret, max_retries=0)
        try:
            client.sign_in()
            if not api.test_path and api.auth_type != OAUTH2:
                raise ConfigError("Only a list shows whether this sign-in works: fill in `Path to try`.")
            if not api.test_path:
                return "Token granted. Fill in `Path to try` to see what a list of the API holds."
            started = time.monotonic()
            answer = client.raw()
            milliseconds = 1000 * (time.monotonic() - started)
        finally:
            client.close()
        words = shape_in_words(answer.content, answer.headers)
        granted = "Token granted. " if api.auth_type == OAUTH2 else ""
        return f"{granted}{client.path} answered in {milliseconds:.0f} ms. {words}"


def in_words(error: DirectorySyncError, *, path: str) -> str:
    """Returns the message without its sentences about publishing and retries, which a test has not.

    Args:
        error: what went wrong.
        path: what names the path that was read, in place of a resource's.
    """
    sentences = re.split(r"(?<=\.) (?=[A-Z])", str(error))
    words = " ".join(s for s in sentences if not s.startswith(("Nothing ", "Airflow tries again")))
    words = words.replace("the path and parameters of the resource", path)
    if isinstance(error, ApiUnavailableError):
        words += " Check the base URL, and whether the API is up."
    return words[:1].upper() + words[1:]
