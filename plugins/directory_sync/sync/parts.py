"""What a sync works with: the protocol that a task, a test and the bench fulfil."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from directory_sync.audit.job import Run

if TYPE_CHECKING:
    from directory_sync.api.client import DirectoryClient
    from directory_sync.config.connections import ConnectionFields
    from directory_sync.config.form import Resource
    from directory_sync.config.limits import RemovalLimits
    from directory_sync.config.settings import SyncSettings
    from directory_sync.landing.snapshot import LandedSnapshot
    from directory_sync.landing.zone import Landing
    from directory_sync.publish.ownership import Owner


class Parts(Protocol):
    """What a sync works with.

    Each part is looked up when it is first used, so a stage that is skipped looks up few of them.
    """

    @property
    def run(self) -> Run:
        """The run."""

    @property
    def resource(self) -> "Resource":
        """The resource, as the form describes it."""

    @property
    def resource_names(self) -> Collection[str]:
        """The names of all resources of the form. They are read without a connection."""

    @property
    def resources(self) -> "Sequence[Resource]":
        """All resources of the form: a child is read for its parent, and published with it."""

    @property
    def settings(self) -> "SyncSettings":
        """The deployment's switches."""

    @property
    def limits(self) -> "RemovalLimits":
        """The limits on removals of this run.

        Raises:
            ConfigError: the run would raise a limit, and the deployment does not allow that.
        """

    @property
    def raised_limits(self) -> str | None:
        """Which limits this run raises, and who triggered it; None: it raises none."""

    @property
    def owner(self) -> "Owner | None":
        """The directory that tables and folders are marked with; None: nothing is marked."""

    @property
    def landing(self) -> "Landing":
        """The landing zone."""

    @property
    def landed(self) -> "LandedSnapshot":
        """The folder of this run's snapshot."""

    @property
    def warehouse(self) -> "ConnectionFields | None":
        """The connection of the warehouse; None: the embedded DuckDB file."""

    def open_client(
        self, resource: "Resource", *, share_of: int, connections: int, number: int = 0
    ) -> "DirectoryClient":
        """Opens an HTTP client.

        Args:
            resource: the resource to read.
            share_of: how many tasks share the allowed rate of requests.
            connections: how many connections to keep alive.
            number: which of these tasks this is, from 0.
        """
