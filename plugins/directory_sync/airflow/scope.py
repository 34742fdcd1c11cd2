"""What a running task, or the Test button, looks up: connections, settings, the run."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from directory_sync.config.connections import check_unread, fields_of
from directory_sync.config.directory import Directory
from directory_sync.config.dlt_provider import register
from directory_sync.config.form import Resource, moment_of
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.settings import (
    LANDING_CONNECTION,
    WAREHOUSE_CONNECTION,
    ApiSettings,
    ConnectionFields,
    SyncSettings,
    missing_connection,
)
from directory_sync.errors import ConfigError
from directory_sync.landing.place import LANDING_KEYS, LandingPlace, landing_place
from directory_sync.landing.zone import LandedSnapshot, Landing

if TYPE_CHECKING:
    from directory_sync.api.client import DirectoryClient
    from directory_sync.audit.job import Audit
    from directory_sync.publish.ownership import Owner
    from directory_sync.warehouse.warehouse import Warehouse


LIMIT_PARAMS = ("max_removed_share", "max_removed_count")


class TaskScope:
    """What one running task looks up: each connection is fetched at most once.

    Args:
        directory: the directory the task works on.
        resource_name: which of its resources.
    """

    def __init__(self, directory: Directory, resource_name: str) -> None:
        """Looks nothing up yet; makes dlt ask this task's connections."""
        self._directory, self._resource_name = directory, resource_name
        self._connections: dict[str, ConnectionFields | None] = {}
        register(
            {
                "filesystem.bucket_url": lambda: self.landed.path,
                "restore_from_destination": lambda: False,
                **{key: partial(self._answer_of_place, key) for key in LANDING_KEYS},
            }
        )

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """Airflow's context of the task."""
        return get_current_context()

    @cached_property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._directory.switches

    @cached_property
    def mode(self) -> str:
        """What the run does, see `params.MODES`; a backfill fetches its own data interval."""
        mode = str(self.context["params"]["mode"])
        is_backfill = self.context["dag_run"].run_type == "backfill"
        return "interval" if mode == "sync" and is_backfill else mode

    @cached_property
    def interval(self) -> tuple[datetime, datetime] | None:
        """The interval of the run: its parameters', or its data interval; None where it has none."""
        params, context = self.context["params"], self.context
        start = params["interval_start"] or context.get("data_interval_start")
        end = params["interval_end"] or context.get("data_interval_end")
        if not start or not end:
            return None
        interval = moment_of(start), moment_of(end)
        if interval[0] >= interval[1]:
            raise ConfigError("The interval ends before it begins: correct `interval_end`. Nothing was read.")
        return interval

    @property
    def skip_reason(self) -> str | None:
        """Why there is nothing to do for this run; None where there is."""
        if self.mode != "interval":
            return None
        incremental = self._full_resource.incremental
        if incremental is None:
            return (
                f"`{self._resource_name}` serves only its present state: N intervals would be N "
                "identical pulls. Mode `replay` rebuilds the past from landed snapshots."
            )
        initial = incremental.initial_value
        if self.interval and initial and self.interval[1] <= initial:
            return f"`{self._resource_name}` has nothing from before {initial.isoformat()}."
        return None

    @property
    def limits(self) -> RemovalLimits:
        """The removal limits that hold in this run.

        Raises:
            ConfigError: the run would lift one, and the deployment does not let it.
        """
        may_raise = self.settings.runs_may_raise_limits
        return self.settings.removal_limits.of_run(self._given_limits, may_raise=may_raise)

    def check_limits(self) -> None:
        """Raises ConfigError where `limits` would: before anything is read."""
        _ = self.limits

    @property
    def raised_limits(self) -> str | None:
        """Which limits this run lifts, and who triggered it; None where it lifts none."""
        given = self._given_limits
        raised = [f"{name} {given[name]:g}" for name in self.settings.removal_limits.raised_by(given)]
        if not raised:
            return None
        who = getattr(self.context["dag_run"], "triggering_user_name", None)
        return f"{', '.join(raised)}, by {who or 'a trigger without a user'}"

    @property
    def _given_limits(self) -> dict[str, float]:
        params = self.context["params"]
        return {name: params[name] for name in LIMIT_PARAMS if params[name] is not None}

    @cached_property
    def form(self) -> Mapping[str, Any]:
        """The configuration; the connection holds the secrets."""
        return self._directory.read_form()

    @cached_property
    def resource(self) -> Resource:
        """The resource the task works on; in an interval run, asked for the interval."""
        resource = self._full_resource
        if self.mode != "interval" or resource.incremental is None:
            return resource
        if self.interval is None:
            raise ConfigError(
                "The run has no data interval: fill in `interval_start` and `interval_end`. Nothing was read."
            )
        params = {**resource.params, **resource.incremental.params(*self.interval)}
        return replace(resource, params=params)

    @cached_property
    def _full_resource(self) -> Resource:
        return next(r for r in self._directory.declared_resources() if r.name == self._resource_name)

    @cached_property
    def landing(self) -> Landing:
        """The landing zone."""
        return Landing(self._place, folder=self._directory.landing_folder)

    @cached_property
    def owner(self) -> "Owner":
        """The directory, as its tables and folders are marked with it."""
        from directory_sync.publish.ownership import Owner

        name = self._directory.name_in(self.context["dag"].dag_id)
        return Owner(name=name, formerly=tuple(self._directory.formerly))

    def prepare_landing(self) -> None:
        """Makes the folder that the shards load into.

        Raises:
            ConfigError: the resource's landing folder is another directory's.
        """
        from directory_sync.publish.ownership import claim_landing

        claim_landing(self.landed, self.owner)
        self.landed.prepare()

    def retire_landing(self) -> None:
        """Deletes what is older than the retention: of failed runs too, and of resources that were.

        The last act of a task: the form is parsed as at parse, for a connection may be what the task lacks.
        """
        from directory_sync.publish.retention import retire

        # The scheduler's clock beside this machine's: one that is ahead would delete everything.
        began = self.context["dag_run"].start_date
        now = min([datetime.now(UTC), *([began] if began else [])])
        retire(
            self.landing,
            resources={resource.name for resource in self._directory.declared_resources()},
            before=now - self.settings.retention,
            keep=self.context["run_id"],
            owner=self.owner,
        )

    @cached_property
    def _place(self) -> LandingPlace:
        return landing_place(self.connection(LANDING_CONNECTION), self.settings)

    def _answer_of_place(self, key: str) -> Any:
        return self._place.answer(key)

    @cached_property
    def landed(self) -> LandedSnapshot:
        """The folder of this run's snapshot."""
        return self.landing.snapshot(self._resource_name, self.context["run_id"])

    def connection(self, conn_id: str) -> ConnectionFields | None:
        """Returns a connection as plain data; None where no backend has it."""
        if conn_id not in self._connections:
            self._connections[conn_id] = connection_fields(conn_id)
        return self._connections[conn_id]

    @property
    def _api_connection(self) -> ConnectionFields:
        found = self.connection(self._directory.connection)
        if found is None:
            raise missing_connection(self._directory.connection)
        return found

    def client(self, *, share_of: int = 1, connections: int = 2) -> "DirectoryClient":
        """Opens an HTTP client.

        Args:
            share_of: how many tasks share the API's allowance.
            connections: how many to keep alive.
        """
        from directory_sync.api.client import DirectoryClient
        from directory_sync.api.rate import RequestRate

        api = ApiSettings.from_connection(self._api_connection, client=self.form["client"])
        allowance = api.requests_per_second
        rate = RequestRate(allowance / share_of if allowance else None)
        return DirectoryClient(api, self.resource, rate=rate, connections=connections, mask=mask_secret)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder that goes with the task."""
        with tempfile.TemporaryDirectory(prefix="directory_sync_") as name:
            yield Path(name)

    @contextmanager
    def open_warehouse(self, folder: Path) -> "Iterator[Warehouse]":
        """Opens the warehouse and holds it until the block ends; it works in the folder.

        Raises:
            ConfigError: the resource's tables are another directory's.
        """
        from directory_sync.publish.ownership import claim_table
        from directory_sync.warehouse.warehouse import open_warehouse

        connection = self.connection(WAREHOUSE_CONNECTION)
        with open_warehouse(connection, self.settings, folder=folder) as warehouse:
            claim_table(self._resource_name, self.owner, warehouse=warehouse)
            yield warehouse

    def audit_job(self, folder: Path) -> "Audit":
        """Returns what the audit of this run needs."""
        from directory_sync.audit.job import Audit, Run

        interval = self.interval
        return Audit(
            resource=self.resource,
            landed=self.landed,
            run=Run(
                run_id=self.context["run_id"],
                mode=self.mode,
                interval=(interval[0].isoformat(), interval[1].isoformat()) if interval else None,
                directory=self.owner.name,
            ),
            settings=self.settings,
            limits=self.limits,
            raised_limits=self.raised_limits,
            folder=folder,
        )


def connection_fields(conn_id: str) -> ConnectionFields | None:
    """Fetches a connection as plain data and masks its password; None where no backend has it.

    Raises:
        ConfigError: there is one, and it cannot be read.
    """
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        found = None
    if found is None:
        check_unread(conn_id)
        return None
    if found.password:
        mask_secret(str(found.password))
    return fields_of(conn_id, found)
