"""An example Dag file as somebody deploys it: its very form, and the connection that its docstring shows."""

import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from dlt.common.normalizers.naming.snake_case import NamingConvention as SnakeCaseNaming

from directory_sync.api.client import DirectoryClient
from directory_sync.api.rate import RequestRate
from directory_sync.config.access import ApiSettings
from directory_sync.config.connections import ConnectionFields
from directory_sync.config.directory import Directory
from directory_sync.config.form import Resource
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.landing.zone import Landing
from directory_sync.sync import Sync
from tests.integration.cycle import Cycle

NAMING = SnakeCaseNaming()
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@cache
def example(name: str) -> ModuleType:
    """The module of an example, executed as Airflow does it."""
    path = EXAMPLES / f"{name}_dag.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connection_of(name: str, url: str, *, password: str, login: str | None = None) -> ConnectionFields:
    """The connection that an example's docstring shows, its hosts replaced by the test's server.

    Args:
        name: the example.
        url: the test's server.
        password: the secret, in place of the docstring's.
        login: who signs in, in place of the docstring's; None: the docstring's, if any.
    """
    shown = re.search(r"```json\n(.*?)```", example(name).__doc__ or "", re.DOTALL)
    assert shown is not None
    found = json.loads(shown[1])
    assert found.pop("conn_type") == "directory_api"
    extra = found.pop("extra", {})
    if "token_url" in extra:
        extra["token_url"] = url + urlsplit(extra["token_url"]).path
    host = url + urlsplit(found.pop("host")).path
    found |= {"password": password} | ({"login": login} if login else {})
    return ConnectionFields(conn_id=f"{name}_api", conn_type="directory_api", host=host, extra=extra, **found)


@dataclass
class Deployment(Cycle):
    """A form and its connection, with a folder and a warehouse.

    Attributes:
        form: the function of the Dag file that returns the form.
        source: the connection to the API.
        name: the resource that is run and asked for.
    """

    form: Callable[[], Mapping[str, Any]] = field(default=dict)
    source: ConnectionFields | None = None
    name: str = ""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources of the form."""
        return Directory(form=self.form).declared_resources()

    @property
    def of_form(self) -> Resource:
        return next(one for one in self.resources if one.name == self.name)

    def client(self, resource: Resource | None = None, *, connections: int = 2) -> DirectoryClient:
        client = Directory(form=self.form).read_form()["client"]
        api = ApiSettings.from_connection(self.source, client=client)
        rate = RequestRate(api.requests_per_second, sleep=lambda _: None)
        return DirectoryClient(
            api,
            resource or self.of_form,
            rate=rate,
            connections=connections,
            mask=self.tokens.append,
            sleep=lambda _: None,
        )

    def landed(self, run_id: str) -> LandedSnapshot:
        return Landing(self.place).snapshot(self.name, run_id)

    def sync(self, run_id: str, **options: Any) -> Sync:
        sync = super().sync(run_id, **options)
        sync._parts.resource_names = {one.name for one in self.resources}
        sync._parts.resources = self.resources
        return sync

    def of(self, name: str) -> "Deployment":
        """The same deployment, for another resource of the form."""
        return replace(self, name=name)

    def run_all(self, run_id: str) -> None:
        """Runs all resources: a child behind the audit, and the publication, of its parent, as in the Dag."""
        for resource in self.resources:
            self.of(resource.name).extract(run_id)
            self.of(resource.name).audit(run_id)
        for resource in self.resources:
            self.of(resource.name).publish(run_id)

    def keys(self, name: str) -> set[Any]:
        """The keys of the entries of a resource that are not removed; of several fields a tuple."""
        fields = self.of(name).of_form.key.names
        rows = self.query(f'SELECT {", ".join(map(_column, fields))} FROM "{name}" WHERE _removed_at IS NULL')
        return {row[0] if len(fields) == 1 else row for row in rows}

    def changed(self, name: str, run_id: str) -> dict[str, set[Any]]:
        """The keys of the change rows of a run, by kind; of several fields a tuple."""
        found: dict[str, set[Any]] = {}
        rows = self.query(
            f"SELECT kind, id FROM {name}_changes WHERE sync_id = "
            "(SELECT sync_id FROM directory_syncs WHERE run_id = ? AND resource = ?)",
            run_id,
            name,
        )
        is_composite = len(self.of(name).of_form.key.names) > 1
        for kind, key in rows:
            found.setdefault(kind, set()).add(tuple(json.loads(key)) if is_composite else key)
        return found


def _column(field: str) -> str:
    """The column of a field, as dlt names it."""
    return '"' + NAMING.normalize_path("__".join(field.split("."))) + '"'
