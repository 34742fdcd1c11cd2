"""Hook-level lineage: the list of the API that was read, and the tables that were written.

Airflow's collector takes it where a plugin reads it, such as that of OpenLineage's provider. The URIs have
two schemes of our own, because a scheme has one provider in Airflow; `to_openlineage` turns them into the
names that OpenLineage has for the same things. They hold no user, password or query, and nothing of an entry.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from directory_sync.airflow.compat import hook_lineage_collector

if TYPE_CHECKING:
    from directory_sync.airflow.scope import TaskScope
    from directory_sync.warehouse.written import Written

logger = logging.getLogger(__name__)

API_SCHEME, TABLE_SCHEME = "directory-api", "directory-table"
"""`provider.py` names them too, for Airflow."""


def report_lineage(scope: "TaskScope", written: "Written", *, has_read: bool) -> None:
    """Reports what the run of a task read and wrote. A fault here must not fail what is published.

    Args:
        scope: the scope of the task.
        written: the tables that were written.
        has_read: whether the run read the API.
    """
    try:
        collector = hook_lineage_collector()
        if collector is None:
            return
        from directory_sync.airflow.hook import DirectoryApiHook

        hook = DirectoryApiHook()
        if has_read:
            _add(collector.add_input_asset, hook, API_SCHEME, **_of_url(scope.list_url))
        for table, columns in written.tables.items():
            path = written.path_of(table)
            place = written.namespace.partition("://")[2] or written.namespace
            extra = {"namespace": written.namespace, "name": ".".join(path), "columns": dict(columns)}
            _add(collector.add_output_asset, hook, TABLE_SCHEME, place=place, path=path, extra=extra)
    except Exception:
        logger.exception("The lineage of this task was not reported; what it published stands")


def _of_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    extra = {"namespace": f"{parts.scheme}://{parts.netloc}", "name": parts.path}
    return {"place": parts.netloc, "path": [parts.path.lstrip("/")], "extra": extra}


def _add(add: Any, hook: Any, scheme: str, *, place: str, path: Sequence[str], extra: dict[str, Any]) -> None:
    add(context=hook, uri=f"{scheme}://{place}/{'/'.join(path)}", asset_extra=extra)


def to_openlineage(asset: Any, lineage_context: Any) -> Any:  # noqa: ARG001  Airflow's signature
    """Returns OpenLineage's dataset for one of our URIs.

    Args:
        asset: the asset; its extra names the dataset, and for a table has its columns.
        lineage_context: the hook that reported it.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    columns = asset.extra.get("columns") or {}
    fields = [SchemaDatasetFacetFields(name=name, type=kind) for name, kind in columns.items()]
    facets: dict[str, Any] = {"schema": SchemaDatasetFacet(fields=fields)} if fields else {}
    return Dataset(namespace=asset.extra["namespace"], name=asset.extra["name"], facets=facets)
