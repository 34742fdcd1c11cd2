"""The hook of the connection type `directory_api`: what stands behind the Test button."""

import re
import time
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from directory_sync.airflow.provider import CONNECTION_TYPE
from directory_sync.airflow.scope import connection_fields
from directory_sync.api.client import DirectoryClient
from directory_sync.config.directory import Directory
from directory_sync.config.form import Resource
from directory_sync.config.settings import API_CONNECTION, ApiSettings
from directory_sync.errors import ApiUnavailableError, DirectorySyncError


class DirectoryApiHook(BaseHook):
    """Tests a connection to the directory API.

    Args:
        directory_api_conn_id: the connection's id.
    """

    conn_name_attr = "directory_api_conn_id"
    default_conn_name = API_CONNECTION
    conn_type = CONNECTION_TYPE
    hook_name = "Directory API"

    def __init__(self, directory_api_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        """Fetches nothing yet."""
        super().__init__(**kwargs)
        self._conn_id = directory_api_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Fetches a token and the first page; returns whether it worked, and what was found."""
        resource = Directory().declared_resources()[0]
        try:
            return True, self._try_first_page(resource)
        except DirectorySyncError as e:
            return False, _in_words(e)

    def _try_first_page(self, resource: Resource) -> str:
        api = ApiSettings.from_connection(connection_fields(self._conn_id))
        # A person waits for the answer: no retries.
        client = DirectoryClient(api, resource, mask=mask_secret, max_retries=0)
        try:
            client.sign_in()
            started = time.monotonic()
            page = client.first_page()
            milliseconds = 1000 * (time.monotonic() - started)
        finally:
            client.close()
        total = "an unstated number of" if page.total is None else f"{page.total:,}"
        return (
            f"Token granted; {total} entries; pages of {len(page.entries)}; "
            f"first page in {milliseconds:.0f} ms"
        )


def _in_words(error: DirectorySyncError) -> str:
    """The error's finding and its remedy; what was not done goes without saying, and nobody tries again."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", str(error))
    words = " ".join(s for s in sentences if not s.startswith(("Nothing ", "Airflow tries again")))
    if isinstance(error, ApiUnavailableError):
        words += " Check the base URL, and whether the API is up."
    return words[:1].upper() + words[1:]
