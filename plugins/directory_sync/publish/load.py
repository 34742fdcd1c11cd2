"""Checks, normalises and loads one publication into the warehouse, through dlt.

A resource and its children are one publication. A warehouse with transactions gets one load package. Other
warehouses get several, all of them normalised before the first one is loaded.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.exceptions import (
    CannotCoerceColumnException,
    CannotCoerceNullException,
    DataValidationError,
)
from dlt.common.schema.utils import get_nested_tables, get_root_table, has_table_seen_data
from dlt.extract import DltSource
from dlt.extract.extract import select_schema
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.keys import ID
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.memory import is_out_of_memory, out_of_memory
from directory_sync.config.tables import SYNCS
from directory_sync.errors import ConfigError, DataError, DirectorySyncError, WarehouseError, find_error
from directory_sync.publish.header import logged_rows, publications_resource
from directory_sync.publish.learned import fields_of
from directory_sync.publish.quarantine import rejected_resource, settle
from directory_sync.publish.rows import DEDUPLICATED, Checked, SyncContent, check_rows, table_resource
from directory_sync.publish.staged import Staged
from directory_sync.warehouse.outage import was_away
from directory_sync.warehouse.sql import innermost
from directory_sync.warehouse.warehouse import Loading, Warehouse

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat
    from dlt.common.schema import Schema
    from dlt.extract import DltResource


@dataclass(frozen=True, kw_only=True)
class Part:
    """One resource's part of a publication.

    Attributes:
        resource: the resource whose tables are written.
        content: the change rows and the sync's row.
        limits: the limits on removals, which also limit entries that are set aside; None: the deployment's.
    """

    resource: Resource
    content: SyncContent
    limits: RemovalLimits | None = None


def load(
    resource: Resource, content: SyncContent, *, warehouse: Warehouse, limits: RemovalLimits | None = None
) -> Mapping[str, Any]:
    """Checks and normalises one resource's publication, then loads it; see `load_together`.

    Args:
        resource: the resource whose tables are written.
        content: the change rows and the sync's row.
        warehouse: open, and held by this process.
        limits: see `Part`.

    Returns:
        The sync's row as written.
    """
    return load_together([Part(resource=resource, content=content, limits=limits)], warehouse=warehouse)[0]


def load_together(parts: Sequence[Part], *, warehouse: Warehouse) -> list[Mapping[str, Any]]:
    """Checks and normalises the parts of a publication, then loads all of them.

    A warehouse with transactions gets them in one. Another one gets the rows of `directory_syncs` together,
    after all else.

    Args:
        parts: a resource, and its children that are published with it.
        warehouse: open, and held by this process.

    Returns:
        The sync's row of each part, as written.

    Raises:
        ConfigError: a name, a hint or a schema contract does not fit the warehouse.
        DataError: the warehouse cannot hold an entry.
        WarehouseError: the load failed; a retry finishes it.
    """
    import pyarrow as pa

    for part in parts:
        key = json.loads(part.content.sync_values["report"]).get("key", ID.names)
        part.resource.refuse_other_key(key, of=f"the sync {part.content.sync_values['sync_id']}")
    failure: DirectorySyncError | None = None
    first = parts[0].resource
    try:
        prepared = [_Prepared(part, warehouse) for part in parts]
        _load(prepared, warehouse)
    except PipelineStepFailed as e:
        failure = _failure(e, first)
    except (pa.ArrowException, ValueError, OverflowError) as e:
        # From the rows that join the load. The message quotes them, so it is not passed on.
        failure = WarehouseError(
            f"Loading `{first.name}` failed: rows cannot be written ({type(e).__name__}). Nothing was "
            "published. Airflow tries again."
        ).marked(is_outage=False)
    if failure:
        # Raised outside the handlers: dlt's exceptions quote rows, so none may be chained to ours.
        raise failure
    for one in prepared:
        warehouse.create_views(one.resource, one.fields)
    return [one.content.sync_values for one in prepared]


class _Prepared:
    """A part that was checked: its sources for dlt, and the rows that join them after the normaliser."""

    def __init__(self, part: Part, warehouse: Warehouse) -> None:
        resource, pipeline = part.resource, warehouse.pipeline
        self.resource = resource
        self.staged = Staged(Path(pipeline.pipelines_dir) / "staged" / resource.name)
        limits = part.limits or warehouse.settings.removal_limits
        self.content, checked = _checked(resource, part.content, warehouse, staged=self.staged, limits=limits)
        self.fields = fields_of(
            resource,
            warehouse,
            places=checked.places if checked else None,
            changes=self.content.rows() if checked else (),
        )
        self.log: DltSource | None = None
        self.table: DltSource | None = None
        self.sources: list[DltSource] = []
        if checked and not self.content.is_empty:
            self.table = table_resource(
                resource, self.content, checked, warehouse=warehouse, fields=self.fields
            )
            self.log = _source_of(_changes_resource(resource, self.content), pipeline)
            self.sources = [self.table]
        if checked and checked.rejected:
            rejected = rejected_resource(resource, checked.rejected, self.content.sync_values)
            self.sources.append(_source_of(rejected, pipeline))


def _load(prepared: Sequence[_Prepared], warehouse: Warehouse) -> None:
    pipeline = warehouse.pipeline
    syncs = _sync_resource([one.content.sync_values for one in prepared])
    logs = [one.log for one in reversed(prepared) if one.log]
    if logs and not warehouse.is_transactional:
        # Finished from these if it is interrupted. A parent's change rows imply those of its children, see
        # `roll_forward`.
        logs = [_source_of(publications_resource([one.content for one in prepared]), pipeline), *logs]
    sources = [*logs, *(source for one in prepared for source in one.sources), _source_of(syncs, pipeline)]
    rows: Counter[str] = Counter()
    for package in [sources] if warehouse.is_transactional else [[one] for one in sources]:
        for source in package:
            _write_as(warehouse.bulk_format if source in logs else warehouse.file_format, source)
        pipeline.extract(package)
        rows.update(pipeline.normalize().row_counts)
        for one in prepared:
            if one.table in package:
                rows.update(one.staged.join(pipeline, warehouse.bulk_format))
    merged = _merged_rows(rows, pipeline.default_schema)
    warehouse.load(*(_loading(one.resource, one.content, merged, pipeline=pipeline) for one in prepared))


def _write_as(file_format: "TLoaderFileFormat", source: DltSource) -> None:
    for resource in source.resources.values():
        resource.apply_hints(file_format=file_format)


def _source_of(resource: "DltResource", pipeline: dlt.Pipeline) -> DltSource:
    """Returns a source for one resource: dlt would interleave resources that share one source."""
    return DltSource(select_schema(pipeline), pipeline.pipeline_name, [resource])


def _checked(
    resource: Resource,
    content: SyncContent,
    warehouse: Warehouse,
    *,
    staged: Staged,
    limits: RemovalLimits,
) -> tuple[SyncContent, Checked | None]:
    """Finds the entries that the warehouse cannot hold, before any write; None where nothing changed."""
    warehouse.forget_dropped_tables()
    if content.is_empty:
        return content, None

    def check(rows: SyncContent) -> Checked:
        staged.clear()
        return check_rows(resource, rows, warehouse=warehouse, staged=staged)

    return settle(resource, content, check(content), warehouse=warehouse, limits=limits, check_again=check)


def _loading(
    resource: Resource, content: SyncContent, merged: Mapping[str, int], *, pipeline: dlt.Pipeline
) -> Loading:
    values = content.sync_values
    return Loading(
        resource=resource,
        sync_id=values["sync_id"],
        base_sync_id=values["base_sync_id"],
        staged=merged,
        load_id=max(pipeline.list_normalized_load_packages(), key=float),
        bytes_a_row=_bytes_a_row(content),
    )


def _merged_rows(rows: Mapping[str, int], schema: "Schema") -> dict[str, int]:
    """Returns how many rows dlt merges into each table; none into child tables without rows in this load."""
    loaded = [name for name in schema.data_table_names() if rows.get(name)]
    roots = dict.fromkeys(str(get_root_table(schema.tables, name)["name"]) for name in loaded)
    merged = [table for root in roots for table in get_nested_tables(schema.tables, root)]
    names = [str(table["name"]) for table in merged if has_table_seen_data(table)]
    return {name: rows.get(name, 0) for name in names}


def _bytes_a_row(content: SyncContent) -> float:
    import pyarrow.compute as pc

    first = next(iter(content.rows()), None)
    mean = pc.mean(pc.binary_length(first.column("record"))).as_py() if first is not None else None
    return float(mean or 0)


def _failure(exception: PipelineStepFailed, resource: Resource) -> DirectorySyncError:
    own = find_error(exception)
    if own:
        return own
    current: BaseException | None = exception
    while current:
        if isinstance(current, DataValidationError):
            return ConfigError(
                f"The schema contract of `{resource.name}` refuses a snapshot: {current.schema_entity} "
                f"`{current.table_name}.{current.column_name or ''}` "
                f"({current.contract_mode}). Nothing was published. Widen `schema_contract` in "
                f"{resource.form_file}, or ask the API's vendor."
            )
        if isinstance(current, (CannotCoerceColumnException, CannotCoerceNullException)):
            column = ".".join(str(getattr(current, name, "?")) for name in ("table_name", "column_name"))
            return DataError(
                f"A value of `{column}` cannot be stored ({type(current).__name__}). Nothing was published; "
                "see docs/runbook.md#dataerror."
            )
        current = getattr(current, "exception", None) or current.__cause__ or current.__context__
    if is_out_of_memory(exception):
        return out_of_memory(f"A load of `{resource.name}`")
    return WarehouseError(
        f"Loading `{resource.name}` failed in step {exception.step} "
        f"({innermost(exception)}). Airflow tries again; see docs/runbook.md#warehouseerror."
    ).marked(is_outage=was_away(exception))


def _sync_resource(rows: Sequence[Mapping[str, Any]]) -> "DltResource":
    return dlt.resource(
        [dict(values) for values in rows],
        name=SYNCS,
        primary_key="sync_id",
        write_disposition="merge",
        columns=columns.hints(columns.SYNCS),
        max_table_nesting=0,
    )


def _changes_resource(resource: Resource, content: SyncContent) -> "DltResource":
    log: DltResource = dlt.resource(
        logged_rows(content),
        name=resource.changes_table,
        primary_key=("sync_id", "id"),
        write_disposition="merge",
        columns=columns.hints(columns.CHANGES),
    )
    log.apply_hints(additional_table_hints=DEDUPLICATED)
    return log
