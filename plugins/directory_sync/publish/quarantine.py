"""Entries that the warehouse cannot hold: the snapshot is refused, or they are set aside in a table.

`DIRECTORY_SYNC_UNSTORABLE` decides. An entry that is set aside keeps the row it has: it is present. One that
was missing, or removed, comes back as it was logged last. Its new state is no change row, so the next night
tries it again.
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


def settle(
    resource: Resource,
    content: SyncContent,
    checked: Checked,
    *,
    warehouse: Warehouse,
    limits: RemovalLimits,
    check_again: Callable[[SyncContent], Checked],
) -> tuple[SyncContent, Checked]:
    """Returns what is published without its rejected entries; its row and its report tell of them.

    Args:
        resource: whose.
        content: as it was landed.
        checked: what came of it.
        warehouse: open, and held by this process.
        limits: on removals; they hold for what is set aside too.
        check_again: checks what is published instead.

    Raises:
        DataError: entries are refused.
        ConfigError: fields of an entry would share a column, and are refused.
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
    """Returns the rows of the rejected entries for dlt."""
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
    others = f", and so {more:,} more" if more else ""
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
        # Its entries are those that changed.
        population = warehouse.present(resource)
    if limits.exceeded_by(missing=len(rejected), population=population):
        return DataError(
            f"{finding}. These are {len(rejected):,} of {population:,} entries: the limits on removals do "
            f"not allow to set so many aside. {outcome} See docs/runbook.md#dataerror."
        )
    return None


def _as_logged(
    resource: Resource, content: SyncContent, ids: Sequence[EntryId], *, warehouse: Warehouse
) -> "list[pa.Table]":
    """Change rows of entries that come back, like the others; no more than the limits allow."""
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
    """The sync's row, less the changes that are not written."""
    report = AuditReport.from_json(json.loads(values["report"]))
    kinds = Counter(one.kind for one in unwritten)
    told = replace(
        report,
        changes={kind: count - kinds[kind] for kind, count in report.changes.items()},
        rewritten=report.rewritten - kinds[Kind.REWRITTEN],
        rejected=len(checked.rejected),
        findings=(*report.findings, *_findings(resource, checked)),
    ).sync_values()
    return {
        **values,
        **{name: told[name] for name in (*(kind.value for kind in KINDS), "rejected", "report")},
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
                f"`{resource.rejected_table}`, by their fields: {shown}. Their old rows stand."
            ),
        )
    for name in sorted(checked.split):
        yield Finding(
            rule="split_column",
            level="warning",
            message=(
                f"The field `{name}` holds integers that a double would round, and fractions: these are in "
                "a column beside its own, `...__v_double`."
            ),
        )


def _shown(entry_id: Any) -> str:
    """An id as code: the note on a run, which is Markdown, shows it too."""
    return as_code(repr(entry_id))


def _plain(value: Any) -> str:
    """A text that every warehouse can hold."""
    return str(value).replace("\x00", "\\u0000")
