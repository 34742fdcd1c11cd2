"""This package's stages without Airflow, each in a process of its own, with the settings of `dags/.dlt`."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import dlt

from bench.server import CLIENT_ID, CLIENT_SECRET
from directory_sync.api.client import DirectoryClient
from directory_sync.api.rate import RequestRate
from directory_sync.config.dlt_provider import register
from directory_sync.config.form import Resource, parse_form
from directory_sync.config.settings import ApiSettings, ConnectionFields, SyncSettings
from directory_sync.landing.place import landing_place
from directory_sync.landing.zone import DATASET, LAYOUT, REPORT, LandedSnapshot, Landing

FORM = {
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
    """The API, a folder, a run.

    Args:
        url: where the API is.
        home: holds the landing zone and the warehouse.
        run_id: of the run.
        requests_per_second: the API's allowance; None: it is not given.
    """

    def __init__(
        self, url: str, home: Path, run_id: str, *, requests_per_second: float | None = None
    ) -> None:
        self.settings = SyncSettings(home=home)
        self.run_id = run_id
        extra = {"requests_per_second": requests_per_second} if requests_per_second else {}
        self._connection = ConnectionFields(
            conn_id="directory_api",
            conn_type="directory_api",
            host=url,
            login=CLIENT_ID,
            password=CLIENT_SECRET,
            extra=extra,
        )
        register(
            {
                "filesystem.bucket_url": lambda: self.landed(run_id).path,
                "restore_from_destination": lambda: False,
            }
        )
        self.resource: Resource = parse_form(FORM)[0]

    def landed(self, run_id: str) -> LandedSnapshot:
        """The folder of a run's snapshot."""
        return Landing(landing_place(None, self.settings)).snapshot(self.resource.name, run_id)

    def client(self, *, share_of: int = 1, connections: int = 2) -> DirectoryClient:
        """As a task opens it."""
        api = ApiSettings.from_connection(self._connection)
        allowance = api.requests_per_second
        rate = RequestRate(allowance / share_of if allowance else None)
        return DirectoryClient(api, self.resource, rate=rate, connections=connections)

    def extract(self, shard: int) -> None:
        """One shard, with a pipeline of its own, as dlt's helper runs it."""
        from directory_sync.extract.stage import directory_source

        source = directory_source(
            shards=self.settings.shards,
            requests_in_flight=self.settings.requests_in_flight,
            open_client=lambda shards, connections: (
                self.client(share_of=shards, connections=connections),
                self.resource,
            ),
        )
        self.landed(self.run_id).prepare()
        with tempfile.TemporaryDirectory() as folder:
            dlt.pipeline(
                f"landing_{shard}",
                destination=dlt.destinations.filesystem(layout=LAYOUT),
                dataset_name=DATASET,
                pipelines_dir=folder,
            ).run(source.with_resources(f"shard_{shard}"), loader_file_format="parquet")

    def audit(self) -> None:
        """Seals, checks and compares the snapshot."""
        from directory_sync.audit import stage as audit
        from directory_sync.audit.job import Audit, Run
        from directory_sync.publish import stage as publish
        from directory_sync.warehouse.warehouse import Warehouse, open_warehouse

        with tempfile.TemporaryDirectory() as name, closing(self.client()) as client:
            job = Audit(
                resource=self.resource,
                landed=self.landed(self.run_id),
                run=Run(run_id=self.run_id, mode="sync", interval=None),
                settings=self.settings,
                limits=self.settings.removal_limits,
                folder=Path(name),
            )

            @contextmanager
            def opened() -> Iterator[Warehouse]:
                with open_warehouse(None, self.settings, folder=Path(name)) as warehouse:
                    publish.roll_forward(self.resource, warehouse=warehouse, landed_of=self.landed)
                    yield warehouse

            audit.audit(job, open_warehouse=opened, read_page=client.page)

    def publish(self) -> None:
        """Writes the difference."""
        from directory_sync.audit.report import AuditReport
        from directory_sync.publish import stage as publish
        from directory_sync.warehouse.warehouse import open_warehouse

        content = self.landed(self.run_id).read_json(REPORT)
        assert content is not None
        with (
            tempfile.TemporaryDirectory() as name,
            open_warehouse(None, self.settings, folder=Path(name)) as warehouse,
        ):
            publish.publish(
                self.resource,
                self.landed(self.run_id),
                AuditReport.from_json(content),
                warehouse=warehouse,
                compare_again=_not_compared_again,
            )


def _not_compared_again() -> NoReturn:
    raise AssertionError("nobody else published meanwhile")
