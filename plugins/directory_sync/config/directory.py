"""One directory API as it is deployed: its connection, what of it is synced, its own switches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any

from directory_sync.config.connections import API_CONNECTION
from directory_sync.config.dlt_provider import form_secrets
from directory_sync.config.form import FORM_FILE, Resource, parse_form
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One directory API: where it is, what of it is synced, and where it goes.

    A second one needs a dataset of its own: its tables, its landed snapshots and its assets are named by it,
    so that nothing collides.

    Attributes:
        form: a function of the Dag file that returns what is synced, in the form of dlt's `rest_api`.
        connection: the id of its connection.
        settings: switches that differ from the environment's, by the names in `SyncSettings`.
        formerly: what it was called before, `connection/Dag` each: where either was renamed, until it has
            published once. See `ownership`.
    """

    form: Callable[[], Mapping[str, Any]]
    connection: str = API_CONNECTION
    settings: Mapping[str, Any] = field(default_factory=dict)
    formerly: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raises ConfigError for an unknown switch, or where two directories would share their tables."""
        if unknown := self.settings.keys() - {item.name for item in fields(SyncSettings)}:
            raise ConfigError(f"A directory has no switch `{min(unknown)}`; see `SyncSettings`.")
        if isinstance(self.formerly, str):
            raise ConfigError(
                f"`formerly` of a directory is a list of names; got {self.formerly!r}. Say "
                f"formerly=[{self.formerly!r}]."
            )
        if self.connection != API_CONNECTION and self.is_default:
            raise ConfigError(
                f"The directory of the connection `{self.connection}` needs a dataset of its own, such as "
                'settings={"dataset": "partners"}: its tables would be those of `directory_api`.'
            )

    @property
    def switches(self) -> SyncSettings:
        """The switches that hold for it."""
        return replace(SyncSettings.from_environment(), **self.settings)

    @property
    def is_default(self) -> bool:
        """It is the one that the environment alone describes."""
        return self.switches.dataset == SyncSettings.from_environment().dataset

    @property
    def landing_folder(self) -> str:
        """Its folder below the landing zone's root; empty: the root itself."""
        return "" if self.is_default else f"dataset={self.switches.dataset}"

    def name_in(self, dag_id: str) -> str:
        """What its tables and folders are marked with, see `ownership`."""
        return f"{self.connection}/{dag_id}"

    def asset_name(self, resource: str) -> str:
        """Returns the name of a resource's asset."""
        return resource if self.is_default else f"{self.switches.dataset}.{resource}"

    @property
    def form_file(self) -> str:
        """The file of the form with its folder, such as `dags/directory_sync_dag.py`, as messages name it."""
        form: Any = self.form
        while isinstance(form, partial):
            form = form.func
        code = getattr(unwrap(form), "__code__", None)
        return "/".join(Path(code.co_filename).parts[-2:]) if code else FORM_FILE

    def read_form(self) -> Mapping[str, Any]:
        """Returns what the form says; no secret is in it, and no connection is needed."""
        with form_secrets():
            return self.form()

    def declared_resources(self) -> tuple[Resource, ...]:
        """Returns its resources; no connection is needed.

        Raises:
            ConfigError: the form says something that cannot be honoured; the message names its file.
        """
        return parse_form(self.read_form(), form_file=self.form_file)
