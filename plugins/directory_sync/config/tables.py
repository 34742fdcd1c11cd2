"""The tables and views of the dataset, each once: its name, its columns, and what it is for.

The descriptions in the warehouse (`COMMENT ON`) and docs/data-dictionary.md are made from these definitions.
"""

from dataclasses import dataclass
from typing import Literal

from directory_sync.config import columns
from directory_sync.config.columns import Column

SYNCS, PUBLICATIONS = "directory_syncs", "_directory_publications"


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table or view of the dataset.

    Attributes:
        name: its name, with `<resource>` for the name of the resource, and `<list>` for that of a list.
        kind: table or view.
        purpose: what it holds, in words for people.
        columns: its columns of ours; the fields of the API are beside them.
        fields: what else it has, in words for people.
    """

    name: str
    kind: Literal["table", "view"]
    purpose: str
    columns: tuple[Column, ...]
    fields: str = ""


_TYPED = "The fields of the entry, typed. A field with the name of a column above is `field_<name>`."

CURRENT = Table(
    name="<resource>_current",
    kind="view",
    purpose="the directory now: one row for each entry that is not removed, held and missing ones included",
    columns=columns.CURRENT,
    fields="The fields of the entry, as in `<resource>`. Values of a changed type are in one column, as text "
    "(integers and fractions: as fractions).",
)
HISTORY = Table(
    name="<resource>_history",
    kind="view",
    purpose="one row for each version of an entry (SCD type 2)",
    columns=columns.HISTORY,
    fields=_TYPED,
)
FIELD_CHANGES = Table(
    name="<resource>_field_changes",
    kind="view",
    purpose="one row for each field of an entry that a publication changed, with its old and its new value",
    columns=columns.FIELD_CHANGES,
)
LIST_CURRENT = Table(
    name="<resource>_current__<list>",
    kind="view",
    purpose="one row for each item of a list of an entry in `<resource>_current`",
    columns=columns.LIST_CURRENT,
    fields="The fields of the item; `value` for an item that is no object.",
)
LIST_HISTORY = Table(
    name="<resource>_history__<list>",
    kind="view",
    purpose="one row for each item of a list in each version of an entry",
    columns=columns.LIST_HISTORY,
    fields="The fields of the item, typed; `value` for an item that is no object.",
)
ENTRIES = Table(
    name="<resource>",
    kind="table",
    purpose="the last known state of each entry, removed ones included",
    columns=columns.of_table(is_composite=True),
    fields="The fields of the entry, as dlt names them. dlt's own are `_dlt_id` and `_dlt_load_id`.",
)
LIST = Table(
    name="<resource>__<list>",
    kind="table",
    purpose="dlt's table of a list: one row for each item; `_dlt_root_id` is the `_dlt_id` of its entry",
    columns=(),
    fields="The fields of the item, and dlt's own.",
)
CHANGES = Table(
    name="<resource>_changes",
    kind="table",
    purpose="the change log: one row for each entry that a publication changed, with the entry's new state",
    columns=columns.CHANGES,
)
REJECTED = Table(
    name="<resource>_rejected",
    kind="table",
    purpose="entries that the warehouse cannot hold, where `DIRECTORY_SYNC_UNSTORABLE=quarantine`",
    columns=columns.REJECTED,
)
OF_SYNCS = Table(
    name=SYNCS,
    kind="table",
    purpose="one row for each publication, written last: without it a publication is not finished",
    columns=columns.SYNCS,
)
OF_PUBLICATIONS = Table(
    name=PUBLICATIONS,
    kind="table",
    purpose="not for analysts: publications begun, only where a warehouse has no transaction over all tables",
    columns=columns.PUBLICATIONS,
)

TABLES = (
    CURRENT, HISTORY, FIELD_CHANGES, LIST_CURRENT, LIST_HISTORY, ENTRIES, LIST, CHANGES, REJECTED, OF_SYNCS,
    OF_PUBLICATIONS,
)  # fmt: skip
"""All of them; first what analysts read."""
