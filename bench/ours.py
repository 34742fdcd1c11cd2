"""This package's stages without Airflow, each in a process of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.server import CLIENT_ID, CLIENT_SECRET
from directory_sync.api.client import DirectoryClient
from directory_sync.audit.job import Run
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.form import Resource, parse_form
from directory_sync.config.settings import SyncSettings
from directory_sync.landing.place import landing_place
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.sync import Sync

FORM: Mapping[str, Any] = {
    "resources": [
        {
            "name": "directory_resource",
            "endpoint": {
                "path": "/v1/directory",
                "data_selector": "data",
                "paginator": {"type": "offset", "limit": 100},
            },
        },
    ],
}
"""The form of `dags/directory_sync_dag.py`, which imports Airflow."""


class Deployment:
    """The API, a folder, a run: the parts of its sync.

    Args:
        url: where the API is.
        home: holds the landing zone and the warehouse.
        run_id: of the run.
        requests_per_second: the API's allowance; None: it is not given.
        form: what is synced.
        landing: the connection of the landing zone; None: a folder in `home`.
        name: the resource of the form that is synced; None: the first one.
    """

    raised_limits = owner = None
    warehouse: ConnectionFields | None = None

    def __init__(
        self,
        url: str,
        home: Path,
        run_id: str,
        *,
        requests_per_second: float | None = None,
        form: Mapping[str, Any] = FORM,
        landing: ConnectionFields | None = None,
        name: str | None = None,
    ) -> None:
        self.settings, self.run = SyncSettings(home=home), Run(run_id=run_id)
        self._landing = landing
        self.limits = self.settings.removal_limits
        extra = {"requests_per_second": requests_per_second} if requests_per_second else {}
        self._connection = ConnectionFields(
            conn_id="directory_api",
            conn_type="directory_api",
            host=url,
            login=CLIENT_ID,
            password=CLIENT_SECRET,
            extra=extra,
        )
        self.resources = parse_form(form)
        self.resource_names = {one.name for one in self.resources}
        self.resource: Resource = next(one for one in self.resources if name in (None, one.name))

    @property
    def landing(self) -> Landing:
        """The landing zone."""
        return Landing(landing_place(self._landing, self.settings))

    @property
    def landed(self) -> LandedSnapshot:
        """The folder of the run's snapshot."""
        return self.landing.snapshot(self.resource.name, self.run.run_id)

    def open_client(
        self, resource: Resource, *, share_of: int, connections: int, number: int = 0
    ) -> DirectoryClient:
        """As a task opens it."""
        api = ApiSettings.from_connection(self._connection).shared_by(share_of, number=number)
        return DirectoryClient(api, resource, connections=connections)

    @property
    def sync(self) -> Sync:
        """The stages, as the tasks have them."""
        return Sync(self)
