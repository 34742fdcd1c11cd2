"""Stage 3: the difference into the warehouse through dlt; safe to kill anywhere and to run twice.

Written are, in one transaction where the warehouse has them:

    1. the change rows, merged on (sync_id, id): the log
    2. the table, merged on id with its child tables; made of the change rows alone
    3. the sync's row: the mark that everything before it is there

Without transactions they are three load packages, all normalised before the first is loaded. Change rows
without their sync's row were interrupted between 1 and 3; they are rolled forward from themselves, for the
first of them carries the sync's row. Those that never can be are rolled back.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema.exceptions import (
    CannotCoerceColumnException,
    CannotCoerceNullException,
    DataValidationError,
)
from dlt.extract import DltSource
from dlt.extract.extract import select_schema
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.audit.clocks import check_clocks
from directory_sync.audit.job import Audit
from directory_sync.audit.report import AuditReport
from directory_sync.audit.stage import compare_again
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import Kind
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.memory import is_out_of_memory, out_of_memory
from directory_sync.errors import (
    ConfigError,
    DataError,
    DirectorySyncError,
    PermanentError,
    WarehouseError,
    find_error,
)
from directory_sync.landing.files import DIFFERENCE
from directory_sync.landing.snapshot import LandedSnapshot
from directory_sync.publish.publications import mark_published, mend_marks, numbered, skip
from directory_sync.publish.quarantine import rejected_resource, settle
from directory_sync.publish.rows import DEDUPLICATED, Checked, SyncContent, check_rows, table_resource
from directory_sync.publish.staged import Staged
from directory_sync.warehouse.sql import innermost
from directory_sync.warehouse.syncs import SYNCS
from directory_sync.warehouse.warehouse import Loading, Warehouse

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 5_000
CHANGE_COLUMNS = columns.names(columns.CHANGES)
SYNC_HEADER = columns.SYNC_HEADER.name


def publish(job: Audit, report: AuditReport, *, warehouse: Warehouse) -> AuditReport:
    """Publishes an audited snapshot; returns the report of what the warehouse holds now.

    A snapshot that began before the last published one ended is skipped with a note: the table never
    moves back. A skip that repeats is a failure, see `publications`. A snapshot that was compared with an
    older state of the warehouse is compared again.

    Args:
        job: what the audit worked on.
        report: the audit's.
        warehouse: open, and held by this process.

    Raises:
        ConfigError: a schema contract or a name that the warehouse cannot take; a clock that is wrong.
        DataError: an entry that the warehouse cannot hold.
        SnapshotError: the landed difference is damaged.
        WarehouseError: the load failed; a retry finishes it.
    """
    resource, landed = job.resource, job.landed
    if known := warehouse.sync(report.sync_id):
        logger.info("%s is published already", report.sync_id)
        report = AuditReport.from_json(json.loads(known.report))
        # The last things a publication does: it may have been killed between its row and these.
        warehouse.create_history_view(resource)
        mark_published(landed, report.sync_id, warehouse=warehouse)
        return report.numbered(known.publication_order)
    roll_forward(resource, warehouse=warehouse, landed_of=landed.of_run, but=report.sync_id)
    marks = mend_marks(resource, landed.of_all_runs(), warehouse=warehouse)
    check_clocks(
        resource.name,
        report.run_id,
        requested_at=report.origin.last_requested_at,
        warehouse=warehouse,
        tolerance=job.settings.clock_tolerance,
    )
    last, fence = warehouse.last_sync(resource.name), warehouse.last_snapshot(resource.name)
    if fence and report.snapshot_at <= fence.last_requested_at:
        return skip(report, landed, fence=fence)
    if (last.sync_id if last else None) != report.origin.base_sync_id:
        logger.info("The warehouse has moved on since the audit; comparing again")
        report = compare_again(job, warehouse=warehouse)
    report = numbered(report, landed, warehouse=warehouse, marks=marks)
    return publish_landed(resource, landed, report, warehouse=warehouse, limits=job.limits)


def publish_landed(
    resource: Resource,
    landed: LandedSnapshot,
    report: AuditReport,
    *,
    warehouse: Warehouse,
    marked_in: LandedSnapshot | None = None,
    limits: RemovalLimits | None = None,
) -> AuditReport:
    """Loads a landed difference as it stands, and notes in the landing zone that the warehouse holds it.

    Returns:
        The report, less the entries that the warehouse cannot hold.

    Args:
        resource: whose table.
        landed: the run's folder; the difference lies in that of the sync.
        report: what it comes to.
        warehouse: open, and held by this process.
        marked_in: the folder of the run where that is another one.
        limits: the run's on removals, see `load`.
    """
    rows = partial(
        landed.of_sync(report.sync_id).read_tables,
        DIFFERENCE,
        rows=ROWS_PER_BATCH,
        columns=CHANGE_COLUMNS,
        expected=sum(report.changes.values()) + report.rewritten,
    )
    difference = SyncContent(rows=rows, sync_values=report.sync_values())
    values = load(resource, difference, warehouse=warehouse, limits=limits)
    mark_published(marked_in or landed, report.sync_id, warehouse=warehouse)
    return AuditReport.from_json(json.loads(values["report"]))


def roll_forward(
    resource: Resource,
    *,
    warehouse: Warehouse,
    landed_of: Callable[[str], LandedSnapshot],
    but: str | None = None,
) -> list[str]:
    """Finishes publications which were interrupted, takes out those that never can be.

    A warehouse that writes them in one transaction has none, but of an older release.

    Returns:
        The ids of those that were finished.

    Args:
        resource: whose publications.
        warehouse: open, and held by this process.
        landed_of: answers a run id with the folder of its snapshot.
        but: a sync that is about to be published from its landed difference.
    """
    unfinished = [sync_id for sync_id in warehouse.unfinished_syncs(resource) if sync_id != but]
    finished: list[str] = []
    for sync_id in unfinished:
        headers = (
            header
            for batch in warehouse.changes(resource, sync_id, (SYNC_HEADER,))
            for header in batch.column(0).to_pylist()
            if header
        )
        values = _parse_header(header) if (header := next(headers, None)) else None
        read = partial(warehouse.changes, resource, sync_id, (*CHANGE_COLUMNS, SYNC_HEADER))
        if values and _goes_forward(resource, SyncContent(rows=read, sync_values=values), warehouse):
            mark_published(landed_of(values["run_id"]), sync_id, warehouse=warehouse)
            finished.append(sync_id)
            continue
        if values is None:
            logger.warning("The change rows of %s lack the sync's row", sync_id)
        logger.warning("Rolling back %s, which cannot be finished; its night is published anew", sync_id)
        warehouse.roll_back(resource, sync_id)
    return finished


def _goes_forward(resource: Resource, difference: SyncContent, warehouse: Warehouse) -> bool:
    """Finishes a publication; False where no later try could."""
    sync_id, base = difference.sync_values["sync_id"], difference.sync_values["base_sync_id"]
    last = warehouse.last_sync(resource.name)
    if (last.sync_id if last else None) != base:
        logger.warning("%s does not follow the last publication", sync_id)
        return False
    logger.warning("Rolling forward %s, which was interrupted", sync_id)
    try:
        load(resource, difference, warehouse=warehouse)
    except PermanentError as e:
        logger.warning("%s cannot be rolled forward: %s", sync_id, e)
        # What was normalised would be loaded with the next package.
        warehouse.pipeline.abort_packages()
        return False
    return True


def load(
    resource: Resource, difference: SyncContent, *, warehouse: Warehouse, limits: RemovalLimits | None = None
) -> Mapping[str, Any]:
    """Checks and normalises everything, then loads it: one package in one transaction, or several in order.

    Args:
        resource: whose tables.
        difference: the change rows and the sync's row.
        warehouse: open, and held by this process.
        limits: on removals, for entries that are set aside; None: the deployment's.

    Returns:
        The sync's row.
    """
    import pyarrow as pa

    pipeline = warehouse.pipeline
    failure: DirectorySyncError | None = None
    try:
        staged = Staged(Path(pipeline.pipelines_dir) / "staged")
        limits = limits or warehouse.settings.removal_limits
        difference, checked = _checked(resource, difference, warehouse, staged=staged, limits=limits)
        table = None
        sources = [_source_of(_sync_resource(difference.sync_values), pipeline)]
        if checked and checked.rejected:
            rejected = rejected_resource(resource, checked.rejected, difference.sync_values)
            sources.insert(0, _source_of(rejected, pipeline))
        if checked and not difference.is_empty:
            table = table_resource(resource, difference, checked, warehouse=warehouse)
            sources = [_source_of(_changes_resource(resource, difference), pipeline), table, *sources]
        rows: Counter[str] = Counter()
        for package in [sources] if warehouse.is_transactional else [[one] for one in sources]:
            pipeline.extract(package, loader_file_format=warehouse.file_format)
            rows.update(pipeline.normalize().row_counts)
            if table in package:
                rows.update(staged.join(pipeline, warehouse.file_format))
        warehouse.load(_loading(resource, difference, rows, pipeline=pipeline))
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


def _source_of(resource: "DltResource", pipeline: dlt.Pipeline) -> DltSource:
    """A source of its own: dlt draws from those of one by turns, and a warehouse answers one question."""
    return DltSource(select_schema(pipeline), pipeline.pipeline_name, [resource])


def _checked(
    resource: Resource,
    difference: SyncContent,
    warehouse: Warehouse,
    *,
    staged: Staged,
    limits: RemovalLimits,
) -> tuple[SyncContent, Checked | None]:
    """Finds what the warehouse cannot take before anything is written; None where nothing changed."""
    warehouse.forget_dropped_tables()
    if difference.is_empty:
        return difference, None

    def check(rows: SyncContent) -> Checked:
        staged.clear()
        return check_rows(resource, rows, warehouse=warehouse, staged=staged)

    return settle(
        resource, difference, check(difference), warehouse=warehouse, limits=limits, check_again=check
    )


def _loading(
    resource: Resource, difference: SyncContent, rows: Mapping[str, int], *, pipeline: dlt.Pipeline
) -> Loading:
    values, tables = difference.sync_values, set(pipeline.default_schema.data_table_names())
    return Loading(
        resource=resource,
        sync_id=values["sync_id"],
        base_sync_id=values["base_sync_id"],
        staged={name: count for name, count in rows.items() if name in tables and count},
        load_id=max(pipeline.list_normalized_load_packages(), key=float),
        bytes_a_row=_bytes_a_row(difference),
    )


def _bytes_a_row(difference: SyncContent) -> float:
    import pyarrow.compute as pc

    first = next(iter(difference.rows()), None)
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
    )


def _sync_resource(values: Mapping[str, Any]) -> "DltResource":
    return dlt.resource(
        [dict(values)],
        name=SYNCS,
        primary_key="sync_id",
        write_disposition="merge",
        columns=columns.hints(columns.SYNCS),
        max_table_nesting=0,
    )


def _changes_resource(resource: Resource, difference: SyncContent) -> "DltResource":
    log: DltResource = dlt.resource(
        _with_header(difference),
        name=resource.changes_table,
        primary_key=("sync_id", "id"),
        write_disposition="merge",
        columns=columns.hints((*columns.CHANGES, columns.SYNC_HEADER)),
    )
    log.apply_hints(additional_table_hints=DEDUPLICATED)
    return log


def _with_header(difference: SyncContent) -> "Iterator[pa.Table]":
    """The change rows for the log; the first carries the sync's row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    header: str | None = json.dumps(dict(difference.sync_values), default=_as_text, sort_keys=True)
    for batch in difference.rows():
        logged = batch.filter(pc.not_equal(batch.column("kind"), pa.scalar(Kind.REWRITTEN.value)))
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
