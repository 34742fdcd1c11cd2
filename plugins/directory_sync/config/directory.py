"""One directory as it is deployed: its connection, its form, and its own switches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from directory_sync.config.connections import API_CONNECTION, LANDING_CONNECTION, WAREHOUSE_CONNECTION
from directory_sync.config.dlt_provider import form_secrets
from directory_sync.config.form import FORM_FILE, Resource, parse_form
from directory_sync.config.settings import SyncSettings
from directory_sync.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One directory: which API it reads, which resources, and which dataset it writes.

    A second directory needs a dataset of its own. Its tables, landed snapshots and assets are named after the
    dataset, so they do not collide with those of the first one.

    Attributes:
        form: a function of the Dag file that returns the resources, in the form of dlt's `rest_api` source.
        connection: the id of the connection to the API.
        warehouse: the id of the connection of the warehouse. Only the default one may be absent.
        landing: the id of the connection of the landing zone. Only the default one may be absent.
        asset_uri: the URI of the assets, such as `postgres://host:5432/database/{dataset}/{resource}`; empty:
            Airflow takes their names. Each Dag that declares the asset must give the same URI.
        settings: switches that differ from the environment's, by the names in `SyncSettings`.
        formerly: earlier names of the directory, each `connection/Dag`. Needed after either was renamed,
            until the next publication. See `publish/ownership.py`.
    """

    form: Callable[[], Mapping[str, Any]]
    connection: str = API_CONNECTION
    warehouse: str = WAREHOUSE_CONNECTION
    landing: str = LANDING_CONNECTION
    asset_uri: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    formerly: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Validates the values.

        Raises:
            ConfigError: an unknown switch or one of a whole deployment, or a second directory that would
                share the tables of the first.
        """
        if unknown := self.settings.keys() - {item.name for item in fields(SyncSettings)}:
            raise ConfigError(f"A directory has no switch `{min(unknown)}`; see `SyncSettings`.")
        if "preload" in self.settings:
            raise ConfigError(
                "`preload` holds for a whole deployment, not for one directory. Nothing was done. Set "
                "DIRECTORY_SYNC_PRELOAD."
            )
        if isinstance(self.formerly, str):
            raise ConfigError(
                f"`formerly` of a directory must be a list of names; got {self.formerly!r}. Write "
                f"formerly=[{self.formerly!r}]."
            )
        if self.asset_uri:
            self._check_asset_uri()
        if self.connection != API_CONNECTION and self.is_default:
            raise ConfigError(
                f"The directory of the connection `{self.connection}` needs a dataset of its own, such as "
                'settings={"dataset": "partners"}. Without one, it would share the tables of '
                "`directory_api`."
            )

    @property
    def switches(self) -> SyncSettings:
        """The switches of this directory: the environment's, with its own `settings` over them."""
        return replace(SyncSettings.from_environment(), **self.settings)

    @property
    def is_default(self) -> bool:
        """Whether this is the default directory: it has the dataset of the environment."""
        if "dataset" not in self.settings:
            return True
        return self.switches.dataset == SyncSettings.from_environment().dataset

    @property
    def landing_folder(self) -> str:
        """The directory's folder below the root of the landing zone; empty: the root itself."""
        return "" if self.is_default else f"dataset={self.switches.dataset}"

    def name_in(self, dag_id: str) -> str:
        """Returns the name that marks its tables and folders as its own, see `publish/ownership.py`."""
        return f"{self.connection}/{dag_id}"

    def asset_name(self, resource: str) -> str:
        """Returns the name of a resource's asset."""
        return resource if self.is_default else f"{self.switches.dataset}.{resource}"

    def asset_uri_of(self, resource: str) -> str:
        """Returns the URI of a resource's asset. Without `asset_uri` it is its name, as Airflow has it."""
        uri = self.asset_uri.format(dataset=self.switches.dataset, resource=resource)
        return uri or self.asset_name(resource)

    def _check_asset_uri(self) -> None:
        try:
            filled = self.asset_uri.format(dataset="dataset", resource="resource")
        except (IndexError, KeyError, ValueError):
            filled = ""
        parts = urlsplit(filled)
        is_uri = bool(parts.scheme) and "://" in filled and parts.scheme != "airflow"
        if not is_uri or parts.password or "{resource}" not in self.asset_uri:
            raise ConfigError(
                "`asset_uri` of a directory must be a URI with `{resource}` in it, such as "
                "postgres://host:5432/database/{dataset}/{resource}, without a password; its scheme is not "
                "airflow://."
            )

    @property
    def form_file(self) -> str:
        """The file of the form, for messages: its name with its folder, `dags/directory_sync_dag.py`."""
        form: Any = self.form
        while isinstance(form, partial):
            form = form.func
        code = getattr(unwrap(form), "__code__", None)
        return "/".join(Path(code.co_filename).parts[-2:]) if code else FORM_FILE

    def read_form(self) -> Mapping[str, Any]:
        """Returns the form's configuration; it contains no secret, and no connection is needed."""
        with form_secrets():
            return self.form()

    def declared_resources(self) -> tuple[Resource, ...]:
        """Returns the resources of the form; no connection is needed.

        Raises:
            ConfigError: the form is wrong, or has something unsupported. The message names its file.
        """
        return parse_form(self.read_form(), form_file=self.form_file)
