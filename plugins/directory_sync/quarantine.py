"""Entries that the warehouse cannot hold: the snapshot is refused, or they are set aside in a table.

`DIRECTORY_SYNC_UNSTORABLE` decides. An entry that is set aside keeps the row it has: it is present. It is no
change row, so the next night tries it again.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dlt

from directory_sync.decisions import REWRITTEN
from directory_sync.errors import ConfigError, DataError
from directory_sync.form import Resource
from directory_sync.question import as_code
from directory_sync.report import KINDS, AuditReport, Finding
from directory_sync.rows import Checked, Difference, Hints
from directory_sync.settings import SyncSettings
from directory_sync.storable import Rejected

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

_FIELDS_SHOWN = 5


def settle(
    resource: Resource, difference: Difference, checked: Checked, *, settings: SyncSettings
) -> Difference:
    """Returns the difference without its rejected entries; its row and its report tell of them.

    Args:
        resource: whose.
        difference: as it was landed.
        checked: what came of it.
        settings: refuse or quarantine; the limits on removals hold for what is set aside too.

    Raises:
        DataError: entries are refused.
        ConfigError: fields of an entry would share a column, and are refused.
    """
    rejected = checked.rejected
    if rejected and (refusal := _refusal(resource, difference, rejected, settings)):
        raise refusal
    if not rejected and not checked.split:
        return difference
    ids = {one.id for one in rejected}
    return replace(
        difference,
        rows=lambda: _without(difference, ids),
        sync_values=_told(resource, difference.sync_values, checked),
    )


def rejected_resource(
    resource: Resource, rejected: Sequence[Rejected], values: Mapping[str, Any]
) -> "DltResource":
    """Returns the rows of the rejected entries for dlt."""
    hints: Hints = {
        name: {"data_type": "text", "nullable": True}
        for name in ("id", "sync_id", "field", "reason", "record")
    }
    hints["snapshot_at"] = {"data_type": "timestamp", "nullable": True}
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
        columns=hints,
        max_table_nesting=0,
    )


def _refusal(
    resource: Resource, difference: Difference, rejected: Sequence[Rejected], settings: SyncSettings
) -> ConfigError | DataError | None:
    first, more = rejected[0], len(rejected) - 1
    others = f", and so {more:,} more" if more else ""
    finding = f"Entry {_shown(first.id)} of `{resource.name}` cannot be stored: {first.finding}{others}"
    outcome = "Nothing was published."
    if settings.unstorable == "refuse":
        if first.is_shared:
            return ConfigError(f"{finding}. {outcome} Rename one by a `map` in `processing_steps`.")
        return DataError(
            f"{finding}. {outcome} Correct the form or ask the API's vendor; or set such entries aside by "
            "DIRECTORY_SYNC_UNSTORABLE=quarantine; see docs/runbook.md#dataerror."
        )
    population = int(difference.sync_values.get("entries") or len(rejected))
    if settings.removal_limits.exceeded_by(missing=len(rejected), population=population):
        return DataError(
            f"{finding}. These are {len(rejected):,} of {population:,} entries: the limits on removals do "
            f"not allow to set so many aside. {outcome} See docs/runbook.md#dataerror."
        )
    return None


def _without(difference: Difference, ids: set[Any]) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in difference.rows():
        column = batch.column("id")
        left = batch.filter(pc.invert(pc.is_in(column, pa.array(list(ids), column.type)))) if ids else batch
        if left.num_rows:
            yield left


def _told(resource: Resource, values: Mapping[str, Any], checked: Checked) -> dict[str, Any]:
    """The sync's row, less what was rejected."""
    report = AuditReport.from_json(json.loads(values["report"]))
    kinds = Counter(one.kind for one in checked.rejected)
    told = replace(
        report,
        changes={kind: count - kinds[kind] for kind, count in report.changes.items()},
        rewritten=report.rewritten - kinds[REWRITTEN],
        rejected=len(checked.rejected),
        findings=(*report.findings, *_findings(resource, checked)),
    ).sync_values()
    return {**values, **{name: told[name] for name in (*KINDS, "rejected", "report")}}


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
    for table, name in sorted(checked.split):
        yield Finding(
            rule="split_column",
            level="warning",
            message=(
                f"`{table}.{name}` holds integers that a double would round, and fractions: these are in "
                f"`{name}__v_double`."
            ),
        )


def _shown(entry_id: Any) -> str:
    """An id as code: the note on a run, which is Markdown, shows it too."""
    return as_code(repr(entry_id))


def _plain(value: Any) -> str:
    """A text that every warehouse can hold."""
    return str(value).replace("\x00", "\\u0000")
