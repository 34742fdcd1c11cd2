"""Refuses a snapshot with entries that the warehouse cannot hold, or sets these entries aside in a table.

`DIRECTORY_SYNC_UNSTORABLE` decides which. An entry that is set aside keeps its row and counts as present. An
entry that was missing or removed returns with its last logged state. The new state is not logged as a change,
so the next sync tries it again.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.api.answer import EntryId
from directory_sync.audit.report import AuditReport, Finding
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.kinds import KINDS, Kind
from directory_sync.config.limits import RemovalLimits
from directory_sync.config.mode import Mode
from directory_sync.errors import ConfigError, DataError
from directory_sync.publish.logged import logged_rows
from directory_sync.publish.outcomes import Rejected
from directory_sync.publish.question import as_code
from directory_sync.publish.rows import Checked, SyncContent
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

_FIELDS_SHOWN = 5
_RECOUNTED = ("rejected", "current_entries", "report")


def settle(
    resource: Resource,
    content: SyncContent,
    checked: Checked,
    *,
    warehouse: Warehouse,
    limits: RemovalLimits,
    check_again: Callable[[SyncContent], Checked],
) -> tuple[SyncContent, Checked]:
    """Returns the publication without its rejected entries. Its row and its report list them.

    Args:
        resource: the resource that is published.
        content: the publication as it was landed.
        checked: the result of its check.
        warehouse: open, and held by this process.
        limits: the limits on removals, which also limit how many entries may be set aside.
        check_again: checks the publication again when rows were added.

    Returns:
        The content to publish, and the result of its check.

    Raises:
        DataError: the warehouse cannot hold some entries, and they may not be set aside.
        ConfigError: two fields of an entry would share a column, and it may not be set aside.
    """
    rejected = checked.rejected
    if rejected and (refusal := _refusal(resource, content, rejected, warehouse=warehouse, limits=limits)):
        raise refusal
    if not rejected and not checked.split:
        return content, checked
    published, unwritten = _less(content, rejected), rejected
    if back := [one.id for one in rejected if one.kind == Kind.RETURNED]:
        logged = _as_logged(resource, content, back, warehouse=warehouse)
        published = replace(published, rows=partial(_both, published.rows, logged))
        again = check_again(published)
        published, checked = _less(published, again.rejected), replace(again, rejected=rejected)
        refused = {one.id for one in again.rejected}
        unwritten = tuple(one for one in rejected if one.kind != Kind.RETURNED or one.id in refused)
    told = _told(resource, content.sync_values, checked, unwritten)
    return replace(published, sync_values=told), checked


def rejected_resource(
    resource: Resource, rejected: Sequence[Rejected], values: Mapping[str, Any]
) -> "DltResource":
    """Returns the rows of the rejected entries as a resource of dlt.

    Args:
        resource: the resource of the entries.
        rejected: the entries that are set aside.
        values: the sync's row.
    """
    rows = [
        {
            "sync_id": values["sync_id"],
            "id": _plain(one.id),
            "field": _plain(one.field),
            "reason": one.reason,
            "record": one.record,
            "snapshot_at": values["snapshot_at"],
        }
        for one in rejected
    ]
    return dlt.resource(
        rows,
        name=resource.rejected_table,
        primary_key=("sync_id", "id"),
        write_disposition="merge",
        columns=columns.hints(columns.REJECTED),
        max_table_nesting=0,
    )


def _refusal(
    resource: Resource,
    content: SyncContent,
    rejected: Sequence[Rejected],
    *,
    warehouse: Warehouse,
    limits: RemovalLimits,
) -> ConfigError | DataError | None:
    first, more = rejected[0], len(rejected) - 1
    others = f", and {more:,} more cannot" if more else ""
    finding = f"Entry {_shown(first.id)} of `{resource.name}` cannot be stored: {first.finding}{others}"
    outcome = "Nothing was published."
    if warehouse.settings.unstorable == "refuse":
        if first.is_shared:
            return ConfigError(f"{finding}. {outcome} Rename one by a `map` in `processing_steps`.")
        return DataError(
            f"{finding}. {outcome} Correct the form or ask the API's vendor; or set such entries aside by "
            "DIRECTORY_SYNC_UNSTORABLE=quarantine; see docs/runbook.md#dataerror."
        )
    population = int(content.sync_values["entries"])
    if Mode(content.sync_values["mode"]).is_partial:
        # The sync's row counts only the entries that changed in the interval.
        population = warehouse.present(resource)
    if limits.exceeded_by(missing=len(rejected), population=population):
        return DataError(
            f"{finding}. These are {len(rejected):,} of {population:,} entries, more than the limits on "
            f"removals allow to set aside. {outcome} See docs/runbook.md#dataerror."
        )
    return None


def _as_logged(
    resource: Resource, content: SyncContent, ids: Sequence[EntryId], *, warehouse: Warehouse
) -> "list[pa.Table]":
    """Returns change rows for entries that return with their last logged state."""
    first = next(iter(content.rows()))
    logged = logged_rows(
        resource,
        warehouse,
        dict.fromkeys(ids),
        kind=Kind.RETURNED,
        sync_id=content.sync_values["sync_id"],
        at=first.column("snapshot_at")[0].as_py(),
    )
    return [rows.select(first.column_names).cast(first.schema) for rows in logged]


def _both(rows: "Callable[[], Iterable[pa.Table]]", more: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
    yield from rows()
    yield from more


def _less(content: SyncContent, rejected: Iterable[Rejected]) -> SyncContent:
    ids = {one.id for one in rejected}
    return replace(content, rows=partial(_without, content.rows, ids)) if ids else content


def _without(rows: "Callable[[], Iterable[pa.Table]]", ids: Collection[EntryId]) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in rows():
        column = batch.column("id")
        left = batch.filter(pc.invert(pc.is_in(column, pa.array(list(ids), column.type))))
        if left.num_rows:
            yield left


def _told(
    resource: Resource, values: Mapping[str, Any], checked: Checked, unwritten: Iterable[Rejected]
) -> dict[str, Any]:
    """Returns the sync's row without the changes that are not written."""
    report = AuditReport.from_json(json.loads(values["report"]))
    kinds = Counter(one.kind for one in unwritten)
    told = replace(
        report,
        changes={kind: count - kinds[kind] for kind, count in report.changes.items()},
        rewritten=report.rewritten - kinds[Kind.REWRITTEN],
        rejected=len(checked.rejected),
        current=None if report.current is None else report.current - kinds[Kind.ADDED] + kinds[Kind.REMOVED],
        findings=(*report.findings, *_findings(resource, checked)),
    ).sync_values()
    return {
        **values,
        **{name: told[name] for name in (*(kind.value for kind in KINDS), *_RECOUNTED)},
    }


def _findings(resource: Resource, checked: Checked) -> Iterator[Finding]:
    fields = Counter(one.field for one in checked.rejected)
    if fields:
        shown = ", ".join(f"`{name}` ({count:,})" for name, count in fields.most_common(_FIELDS_SHOWN))
        yield Finding(
            rule="rejected",
            level="warning",
            message=(
                f"{len(checked.rejected):,} entries cannot be stored and were set aside in "
                f"`{resource.rejected_table}`, by field: {shown}. Their old rows stay as they are."
            ),
        )
    for name in sorted(checked.split):
        yield Finding(
            rule="split_column",
            level="warning",
            message=(
                f"The field `{name}` holds fractions, and integers that a double would round. The fractions "
                "are in a column of their own, `...__v_double`."
            ),
        )


def _shown(entry_id: Any) -> str:
    """Returns an id as inline code, because the run's note, which is Markdown, shows it."""
    return as_code(repr(entry_id))


def _plain(value: Any) -> str:
    """Returns a text that every warehouse can hold, with U+0000 written out."""
    return str(value).replace("\x00", "\\u0000")
