"""Stage 3: the difference into the warehouse through dlt; safe to kill anywhere and to run twice.

Three load packages, all normalised before the first is loaded:

    1. the change rows, merged on (sync_id, id): the redo log
    2. the table, merged on id with its child tables; made of the change rows alone
    3. the sync's row: the mark that everything before it is there

Change rows without their sync's row were interrupted between 1 and 3; they are rolled forward from
themselves, for the first of them carries the sync's row.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.exceptions import (
    CannotCoerceColumnException,
    CannotCoerceNullException,
    DataValidationError,
)
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.columnar import Staged
from directory_sync.difference import CHANGE_COLUMNS, REWRITTEN
from directory_sync.errors import ConfigError, DataError, DirectorySyncError, WarehouseError, find_error
from directory_sync.form import Resource
from directory_sync.landing import DIFFERENCE, LandedSnapshot
from directory_sync.quarantine import rejected_resource, settle
from directory_sync.report import AuditReport
from directory_sync.rows import DEDUPLICATED, Checked, Difference, Hints, check_rows, table_resource
from directory_sync.warehouse import SYNCS, TIMES, Warehouse, innermost

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 5_000
_SAMPLE_ROWS = 2_000
SYNC_HEADER = "sync"
"""The column of the change rows that carries the sync's row, in the first of them."""

_TEXTS = ("changed_fields", "record", "row_hash", SYNC_HEADER)
_SYNC_TEXTS = (
    "base_sync_id", "run_id", "mode", "settings_fingerprint", "id_type", "held_digest", "sort_order",
    "proof", "report",
)  # fmt: skip


def publish(
    resource: Resource,
    landed: LandedSnapshot,
    report: AuditReport,
    *,
    warehouse: Warehouse,
    compare_again: Callable[[], AuditReport],
) -> AuditReport:
    """Publishes an audited snapshot; returns the report of what the warehouse holds now.

    A snapshot that began before the last published one ended is skipped with a note: the table never
    moves back. One that was compared with an older state of the warehouse is compared again.

    Args:
        resource: whose table.
        landed: where the difference lies.
        report: the audit's.
        warehouse: open, and held by this process.
        compare_again: compares the snapshot with the warehouse as it is now.

    Raises:
        ConfigError: a schema contract or a name that the warehouse cannot take.
        SnapshotError: the landed difference is damaged.
        WarehouseError: the load failed; a retry finishes it.
    """
    if published := warehouse.sync(report.sync_id):
        logger.info("%s is published already", report.sync_id)
        report = AuditReport.from_json(json.loads(published.report))
        # The last things a publication does: it may have been killed between its row and these.
        warehouse.create_history_view(resource)
        landed.mark_published(report.sync_id)
        return report
    roll_forward(resource, warehouse=warehouse, landed_of=landed.of_run, but=report.sync_id)
    last, fence = warehouse.last_sync(resource.name), warehouse.last_snapshot(resource.name)
    if fence and report.snapshot_at <= fence.last_requested_at:
        note = f"its first request lies before the last one of {fence.sync_id}, which is published"
        return replace(report, skipped=note)
    if (last.sync_id if last else None) != report.base_sync_id:
        logger.info("The warehouse has moved on since the audit; comparing again")
        report = compare_again()
    return publish_landed(resource, landed, report, warehouse=warehouse)


def publish_landed(
    resource: Resource,
    landed: LandedSnapshot,
    report: AuditReport,
    *,
    warehouse: Warehouse,
) -> AuditReport:
    """Loads a landed difference, and notes in the landing zone that the warehouse holds it.

    Returns:
        The report, less the entries that the warehouse cannot hold.

    Args:
        resource: whose table.
        landed: the run's folder; the difference lies in that of the sync.
        report: what it comes to.
        warehouse: open, and held by this process.
    """
    rows = partial(
        landed.of_sync(report.sync_id).read_tables,
        DIFFERENCE,
        rows=ROWS_PER_BATCH,
        columns=CHANGE_COLUMNS,
        expected=sum(report.changes.values()) + report.rewritten,
    )
    values = load(resource, Difference(rows=rows, sync_values=report.sync_values()), warehouse=warehouse)
    landed.mark_published(report.sync_id)
    return AuditReport.from_json(json.loads(values["report"]))


def roll_forward(
    resource: Resource,
    *,
    warehouse: Warehouse,
    landed_of: Callable[[str], LandedSnapshot],
    but: str | None = None,
) -> list[str]:
    """Finishes publications which were interrupted; returns their ids.

    Args:
        resource: whose publications.
        warehouse: open, and held by this process.
        landed_of: answers a run id with the folder of its snapshot.
        but: a sync that is about to be published from its landed difference.
    """
    unfinished = [sync_id for sync_id in warehouse.unfinished_syncs(resource) if sync_id != but]
    for sync_id in unfinished:
        columns = (*CHANGE_COLUMNS, SYNC_HEADER)
        headers = (
            header
            for batch in warehouse.changes(resource, sync_id, (SYNC_HEADER,))
            for header in batch.column(0).to_pylist()
            if header
        )
        header = next(headers, None)
        if header is None:
            raise ConfigError(
                f"The change rows of {sync_id} in `{resource.changes_table}` lack the sync's row. Nothing "
                "was published. Restore the warehouse's tables from one backup."
            )
        logger.warning("Rolling forward %s, which was interrupted", sync_id)
        read = partial(warehouse.changes, resource, sync_id, columns)
        values = _parse_header(header)
        load(resource, Difference(rows=read, sync_values=values), warehouse=warehouse)
        landed_of(values["run_id"]).mark_published(sync_id)
    return unfinished


def load(resource: Resource, difference: Difference, *, warehouse: Warehouse) -> Mapping[str, Any]:
    """Checks all rows, normalises the packages, then loads them in their order.

    Returns:
        The sync's row.
    """
    import pyarrow as pa

    pipeline = warehouse.pipeline
    failure: DirectorySyncError | None = None
    try:
        staged = Staged(Path(pipeline.pipelines_dir) / "staged")
        difference, checked = _checked(resource, difference, warehouse, staged)
        table = None
        packages: list[Any] = [_sync_resource(difference.sync_values)]
        if checked and checked.rejected:
            packages.insert(0, rejected_resource(resource, checked.rejected, difference.sync_values))
        if checked and not difference.is_empty:
            table = table_resource(resource, difference, checked, warehouse=warehouse)
            packages = [_changes_resource(resource, difference), table, *packages]
        for package in packages:
            pipeline.extract(package, loader_file_format=warehouse.file_format)
            pipeline.normalize()
            if package is table:
                staged.join(pipeline, warehouse.file_format)
        warehouse.assert_held()
        pipeline.load(raise_on_failed_jobs=True)
    except PipelineStepFailed as e:
        failure = _failure(e, resource)
    except (pa.ArrowException, ValueError, OverflowError) as e:
        # Of rows that join the load; the message quotes them.
        failure = WarehouseError(
            f"Loading `{resource.name}` failed: rows cannot be written ({type(e).__name__}). Nothing was "
            "published. Airflow tries again."
        )
    if failure:
        # Raised here: dlt's exceptions quote rows, and none of them may hang on ours.
        raise failure
    warehouse.create_history_view(resource)
    return difference.sync_values


def _checked(
    resource: Resource, difference: Difference, warehouse: Warehouse, staged: Staged
) -> tuple[Difference, Checked | None]:
    """Finds what the warehouse cannot take before anything is written; None where nothing changed."""
    warehouse.forget_dropped_tables()
    if difference.is_empty:
        return difference, None
    checked = check_rows(resource, difference, warehouse=warehouse, staged=staged)
    return settle(resource, difference, checked, settings=warehouse.settings), checked


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
                "plugins/directory_sync/resources.py, or ask the API's vendor."
            )
        if isinstance(current, (CannotCoerceColumnException, CannotCoerceNullException)):
            column = ".".join(str(getattr(current, name, "?")) for name in ("table_name", "column_name"))
            return DataError(
                f"A value of `{column}` cannot be stored ({type(current).__name__}). Nothing was published; "
                "see docs/runbook.md#dataerror."
            )
        current = getattr(current, "exception", None) or current.__cause__ or current.__context__
    return WarehouseError(
        f"Loading `{resource.name}` failed in step {exception.step} "
        f"({innermost(exception)}). Airflow tries again; what was loaded is rolled forward."
    )


def _sync_resource(values: Mapping[str, Any]) -> "DltResource":
    hints: Hints = {name: {"data_type": "text", "nullable": True} for name in _SYNC_TEXTS}
    for name in ("snapshot_at", "last_requested_at"):
        hints[name] = {"data_type": "timestamp", "nullable": False}
    return dlt.resource(
        [dict(values)],
        name=SYNCS,
        primary_key="sync_id",
        write_disposition="merge",
        columns=hints,
        max_table_nesting=0,
    )


def _changes_resource(resource: Resource, difference: Difference) -> "DltResource":
    hints: Hints = {name: {"data_type": "text", "nullable": True} for name in _TEXTS}
    hints |= {name: {"data_type": "timestamp", "nullable": True} for name in TIMES}
    log: DltResource = dlt.resource(
        _with_header(difference),
        name=resource.changes_table,
        primary_key=("sync_id", "id"),
        write_disposition="merge",
        columns=hints,
    )
    log.apply_hints(additional_table_hints=DEDUPLICATED)
    return log


def _with_header(difference: Difference) -> "Iterator[pa.Table]":
    """The change rows for the log; the first carries the sync's row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    header: str | None = json.dumps(dict(difference.sync_values), default=_as_text, sort_keys=True)
    for batch in difference.rows():
        logged = batch.filter(pc.not_equal(batch.column("kind"), pa.scalar(REWRITTEN)))
        if not logged.num_rows:
            continue
        logged = logged.select(CHANGE_COLUMNS)
        headers = pa.array([header] + [None] * (logged.num_rows - 1), pa.string())
        yield logged.append_column(SYNC_HEADER, headers)
        header = None


def _as_text(value: Any) -> str:
    return str(value.isoformat())


def _parse_header(header: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(header)
    if json.loads(values["report"]).get("rewritten"):
        # Rewritten rows are not in the log: the next audit is to compute the table's hashes again.
        values["settings_fingerprint"] = ""
    return values
