"""Looks up what a running task, or the Test button, needs: connections, settings, the run."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.log import mask_secret

from directory_sync import about
from directory_sync.airflow.compat import AirflowNotFoundException, BaseHook
from directory_sync.airflow.division import skipped_shards
from directory_sync.config.connections import (
    LANDING_CONNECTION,
    WAREHOUSE_CONNECTION,
    ConnectionFields,
    check_unread,
    fields_of,
    missing_connection,
)
from directory_sync.config.directory import Directory
from directory_sync.config.form import Resource
from directory_sync.config.incremental import moment_of
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.config.settings import SyncSettings
from directory_sync.config.urls import shown
from directory_sync.errors import ConfigError

if TYPE_CHECKING:
    from directory_sync.api.client import DirectoryClient
    from directory_sync.audit.job import Run
    from directory_sync.landing.place import LandingPlace
    from directory_sync.landing.snapshot import LandedSnapshot
    from directory_sync.landing.zone import Landing
    from directory_sync.publish.ownership import Owner


logger = logging.getLogger(__name__)

LIMIT_PARAMS = ("max_removed_share", "max_removed_count")


class TaskScope:
    """The parts of a sync, looked up in Airflow by one running task; each connection at most once.

    Args:
        directory: the directory that the task works on.
        resource_name: the resource that the task works on.
        context: Airflow's context, where a callback is given it; None: that of the running task.
    """

    def __init__(
        self, directory: Directory, resource_name: str, *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Looks nothing up yet; a task logs which code runs."""
        if context is None:
            logger.info("%s", about.running())
        else:
            self.context = context
        self._directory, self._resource_name = directory, resource_name
        self._connections: dict[str, ConnectionFields | None] = {}

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """Airflow's context of the task."""
        return get_current_context()

    @cached_property
    def settings(self) -> SyncSettings:
        """The deployment's switches."""
        return self._directory.switches

    @cached_property
    def run(self) -> "Run":
        """The run. A backfill runs in mode `interval`, for its own data interval.

        Raises:
            ConfigError: the interval ends before it begins.
        """
        from directory_sync.audit.job import Run

        mode, dag_run = Mode(self.context["params"]["mode"]), self.context["dag_run"]
        if mode is Mode.SYNC and dag_run.run_type == "backfill":
            mode = Mode.INTERVAL
        return Run(
            run_id=self.context["run_id"],
            mode=mode,
            interval=self._interval,
            directory=self.owner.name,
            began_at=dag_run.start_date,
        )

    @property
    def _interval(self) -> tuple[datetime, datetime] | None:
        """The interval from the run's parameters, else its data interval; None where it has none."""
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
    def limits(self) -> RemovalLimits:
        """The limits on removals that apply to this run.

        Raises:
            ConfigError: the run would raise a limit, and the deployment does not allow that.
        """
        may_raise = self.settings.runs_may_raise_limits
        return self.settings.removal_limits.of_run(self._given_limits, may_raise=may_raise)

    @property
    def raised_limits(self) -> str | None:
        """Which limits this run raises, and who triggered it; None where it raises none."""
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
        """The form of the directory; secrets are only in the connection."""
        return self._directory.read_form()

    @cached_property
    def resource(self) -> Resource:
        """The resource that the task works on, as the form describes it."""
        return next(r for r in self.resources if r.name == self._resource_name)

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """All resources of the form."""
        return self._directory.declared_resources()

    @property
    def resource_names(self) -> set[str]:
        """The names of the form's resources. They are read without a connection, as at parse."""
        return {resource.name for resource in self.resources}

    @cached_property
    def skipped_shards(self) -> frozenset[int]:
        """The numbers of the resource's shards that are skipped in this run."""
        is_first = self.resources[0].name == self._resource_name
        return skipped_shards(self.context, "" if is_first else f"{self._resource_name}.")

    @cached_property
    def landing(self) -> "Landing":
        """The landing zone."""
        from directory_sync.landing.zone import Landing

        return Landing(self.place, folder=self._directory.landing_folder)

    @cached_property
    def owner(self) -> "Owner":
        """The directory that tables and folders are marked with."""
        from directory_sync.publish.ownership import Owner

        name = self._directory.name_in(self.context["dag"].dag_id)
        return Owner(name=name, formerly=tuple(self._directory.formerly))

    @cached_property
    def place(self) -> "LandingPlace":
        """The root of the landing zone."""
        from directory_sync.landing.place import landing_place

        return landing_place(self._named(self._directory.landing, LANDING_CONNECTION), self.settings)

    @cached_property
    def landed(self) -> "LandedSnapshot":
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

    @property
    def warehouse(self) -> ConnectionFields | None:
        """The connection of the warehouse; None: the embedded DuckDB file."""
        return self._named(self._directory.warehouse, WAREHOUSE_CONNECTION)

    def _named(self, conn_id: str, default: str) -> ConnectionFields | None:
        """Returns a connection; None where the default one is absent.

        Raises:
            ConfigError: another one than the default is named, and is absent.
        """
        found = self.connection(conn_id)
        if found is None and conn_id != default:
            raise ConfigError(
                f"There is no connection `{conn_id}`, which the Dag file names in place of `{default}`. "
                "Nothing was done. Create it, or correct the Dag file."
            )
        return found

    @property
    def list_url(self) -> str:
        """The URL of the resource's list, without user and query."""
        from directory_sync.config.access import ApiSettings

        api = ApiSettings.from_connection(self._api_connection, client=self.form.get("client"))
        return shown(api.url(self.resource.path))

    def open_client(
        self, resource: Resource, *, share_of: int, connections: int, number: int = 0
    ) -> "DirectoryClient":
        """Opens an HTTP client, see `Parts.open_client`."""
        from directory_sync.airflow.found_in import found_in
        from directory_sync.api.client import DirectoryClient
        from directory_sync.config.access import ApiSettings

        found = self._api_connection
        api = ApiSettings.from_connection(found, client=self.form.get("client"))
        where = found_in(found) if found.host else f"{found_in(found)}; the base URL is the form's"
        api = replace(api.shared_by(share_of, number=number), found_in=where)
        client = DirectoryClient(api, resource, connections=connections, mask=mask_secret)
        logger.info("Reading %s", client.read_from)
        return client


def connection_fields(conn_id: str) -> ConnectionFields | None:
    """Fetches a connection as plain data and masks its password; None where no backend has it.

    Raises:
        ConfigError: the connection exists, but cannot be read.
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
