"""Makes the table's rows from change rows alone, and checks them.

`check_rows` reads all rows before anything is written. In a large load most rows fit pyarrow's columns; these
are staged and do not pass dlt's normaliser. The others are fitted (`storable`) and kept in a file, and
`table_resource` hands them to dlt.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.schema import utils
from dlt.extract import DltSource

from directory_sync.api.answer import parse_record
from directory_sync.config import columns
from directory_sync.config.form import Resource
from directory_sync.config.steps import run_steps
from directory_sync.errors import ConfigError
from directory_sync.publish.hints import check_hints, key_hints
from directory_sync.publish.kept import KeptRows
from directory_sync.publish.outcomes import KeyedByData, Rejected, Unstorable
from directory_sync.publish.places import Places
from directory_sync.publish.row_key import RowKey
from directory_sync.publish.shapes import Object, Shape, merged, tells
from directory_sync.publish.staged import Staged
from directory_sync.publish.storable import Fitting
from directory_sync.warehouse.key_columns import key_columns
from directory_sync.warehouse.record_fields import HINT, RecordFields
from directory_sync.warehouse.room import Room
from directory_sync.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.schema import Schema
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource

DEDUPLICATED: dict[str, Any] = {"x-stage-data-deduplicated": True}
"""Tells dlt that a package holds each key once, as the audit ensures; deduplicating would be slow."""

Hints = dict[str, "TColumnSchema"]
Name = tuple[str, str]
"""A column: its table and its own name."""


@dataclass(frozen=True, kw_only=True)
class SyncContent:
    """What a publication writes: its change rows, and the sync's row that completes it.

    Attributes:
        rows: returns the change rows in batches; may be called more than once.
        sync_values: the values of the sync's row, by column.
        sample_rows: how many rows show the shape of all, in a load of at least twice as many.
    """

    rows: "Callable[[], Iterable[pa.Table]]"
    sync_values: Mapping[str, Any]
    sample_rows: int = 1_000

    @property
    def is_empty(self) -> bool:
        """Nothing changed."""
        return next(iter(self.rows()), None) is None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The result of a check: rows that the warehouse can hold, and entries that it cannot.

    Attributes:
        rejected: the entries that the warehouse cannot hold; the rows do not include them.
        kept: the rows that dlt normalises.
        places: where dlt puts the values of these rows.
        told: the types of columns of this load that dlt would infer differently.
        split: fields with integers and fractions, the fractions in a column of their own.
    """

    rejected: tuple[Rejected, ...]
    kept: KeptRows
    told: "Told"
    places: Places
    split: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Told:
    """Columns that are declared to dlt, because it would infer other types for them.

    Attributes:
        widened: columns of integers and fractions, declared as doubles.
        variants: the types of variant columns.
        parents: the parent of each child table.
    """

    widened: frozenset[Name] = frozenset()
    variants: Mapping[Name, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    def told_columns(self) -> "Iterator[tuple[str, TColumnSchema]]":
        """Yields each declared column with its table."""
        for table, name in sorted(self.widened):
            yield table, {"name": name, "data_type": "double", "nullable": True}
        for (table, name), data_type in sorted(self.variants.items()):
            variant: Any = {"name": name, "data_type": data_type, "nullable": True, "variant": True}
            yield table, variant


def check_rows(resource: Resource, content: SyncContent, *, warehouse: Warehouse, staged: Staged) -> Checked:
    """Checks all rows of a publication; stages those that go past dlt's normaliser.

    Args:
        resource: the resource that is published.
        content: the publication, with at least one change row.
        warehouse: open, and held by this process.
        staged: takes the rows that join the package after dlt has normalised it.

    Raises:
        ConfigError: the form's hints do not fit the existing columns, an object is keyed by data, or a step
            of the form fails.
    """
    told = Told()
    while True:
        one = _Pass(resource, content, warehouse, staged, told)
        checked = one.check()
        if one.fitting.widened <= told.widened:
            return checked
        # Known only after all rows, but dlt needs it before the first: read them again.
        told = Told(widened=told.widened | one.fitting.widened, parents=one.places.parents)
        staged.clear()
        checked.kept.clear()


def columns_to_come(
    resource: Resource, content: SyncContent, *, warehouse: Warehouse, at_most: int = 10_000
) -> list[dict[str, str]]:
    """Tries the first rows of a publication; returns the columns that it would add. Writes nothing.

    Args:
        resource: the resource that would be published.
        content: the publication.
        warehouse: open, and held by this process.
        at_most: how many rows are tried.

    Returns:
        By table and name: `table`, `column` and `type`, which is dlt's name for it.

    Raises:
        ConfigError: what `check_rows` raises: the publication would fail.
    """
    staged = Staged(Path(warehouse.pipeline.pipelines_dir) / "tried")
    one = _Pass(resource, content, warehouse, staged, Told())
    left = at_most
    for batch in content.rows():
        one.fit(batch.slice(0, left))
        left -= batch.num_rows
        if left <= 0:
            break
    return one.new_columns()


def table_resource(
    resource: Resource, content: SyncContent, checked: Checked, *, warehouse: Warehouse, fields: RecordFields
) -> DltSource:
    """Returns the kept rows of the table as a source of dlt.

    Args:
        resource: the resource that is published.
        content: the publication.
        checked: the result of its check.
        warehouse: open, and held by this process.
        fields: the fields of the records, which are kept with the table in dlt's schema.
    """
    table = _resource_of(checked.kept.batches(), resource, content, warehouse)
    table.apply_hints(additional_table_hints={**DEDUPLICATED, HINT: fields.as_hint()})
    return DltSource(_schema_of(warehouse, checked.told), resource.name, [table])


class _Pass:
    """One pass over all rows."""

    def __init__(
        self,
        resource: Resource,
        content: SyncContent,
        warehouse: Warehouse,
        staged: Staged,
        told: Told,
    ) -> None:
        self._resource, self._content, self._warehouse = resource, content, warehouse
        self._staged, self._told = staged, told
        schema, hinted = _schema_of(warehouse), self._resource_of(iter(()))
        table = utils.normalize_table_identifiers(hinted.compute_table_schema(), schema.naming)
        room = _room_of(resource, warehouse)
        check_hints(schema, table, resource, room.capabilities)
        schema.update_table(hinted.compute_table_schema())
        _tell(schema, told)
        self._table, self._key = str(table["name"]), key_columns(schema, resource)
        ours = columns.of_table(is_composite=resource.key.is_composite)
        # Our columns of the table, each with the column of the change rows that holds its value.
        self._ours = tuple((column.name, column.taken_from) for column in ours)
        self.places = Places(schema, self._table, ours=columns.names(ours), key=self._key)
        self.fitting = Fitting(self.places, room)
        self._row_key = RowKey(resource, self.places, self._key)
        self._rejected: list[Rejected] = []

    def check(self) -> Checked:
        kept = KeptRows(Path(self._warehouse.pipeline.pipelines_dir) / "kept" / self._resource.name)
        kept.clear()
        batches = iter(self._content.rows())
        first = next(batches)
        if self._is_large(first):
            first = self._sampled(first, kept)
        for batch in itertools.chain([first], batches):
            for left in self._staged.take(batch, self._ours):
                kept.add(self._fitted(left))
        return Checked(
            rejected=tuple(self._rejected),
            kept=kept,
            told=self._learnt,
            places=self.places,
            split=frozenset(self.fitting.split),
        )

    def _sampled(self, batch: "pa.Table", kept: KeptRows) -> "pa.Table":
        """Lets `Staged` learn from the rows of the sample that tell something; returns all other rows.

        An entry that is set aside tells nothing.
        """
        import pyarrow as pa

        shape: Shape | None = Object()
        records, rows, others = [], list[dict[str, Any]](), [True] * batch.num_rows
        texts = batch.column("record").slice(0, self._content.sample_rows)
        for number, text in enumerate(texts.to_pylist()):
            record = parse_record(str(text))
            if not tells(record, shape):
                continue
            others[number] = False
            if fitted := self._fitted(batch.slice(number, 1)):
                rows += fitted
                records.append(record)
                # After two shapes in one place each row tells something: all are left to dlt.
                shape = merged(shape, record)
        # These rows go to dlt too, so that its schema learns from them what the trial learns.
        kept.add(rows)
        self._learn(records, rows)
        return batch.filter(pa.array(others))

    def fit(self, changes: "pa.Table") -> None:
        """Tries rows: their places and types are known afterwards."""
        self._fitted(changes)

    def new_columns(self) -> list[dict[str, str]]:
        """Returns the columns of the rows so far that the warehouse does not have."""
        return [
            {"table": one.table, "column": one.name, "type": one.data_type}
            for one in self.places.columns()
            if one.data_type and not self.places.is_known(one)
        ]

    @property
    def _learnt(self) -> Told:
        """What is declared to dlt, after the rows read so far."""
        return replace(self._told, variants=dict(self.fitting.variants), parents=self.places.parents)

    def _resource_of(self, rows: Iterator[Any]) -> "DltResource":
        return _resource_of(rows, self._resource, self._content, self._warehouse)

    def _is_large(self, first: "pa.Table") -> bool:
        """Tells whether rows may be staged: not where the form maps them, or dlt derives ids from rows."""
        return (
            first.num_rows >= 2 * self._content.sample_rows
            and not self._resource.is_reshaped
            and self._warehouse.merge_strategy == "delete-insert"
        )

    def _fitted(self, changes: "pa.Table") -> list[dict[str, Any]]:
        """Returns the rows that the warehouse can hold; notes the other entries as rejected."""
        rows = []
        for change in changes.to_pylist():
            record, _ = run_steps(
                parse_record(change["record"]), self._resource.steps, form_file=self._resource.form_file
            )
            try:
                fitted = self.fitting.fit(record, self._row_key.values(change["id"]))
                self._row_key.check(record, fitted, change["id"])
            except Unstorable as e:
                self._rejected.append(
                    Rejected(
                        id=change["id"], kind=change["kind"], field=e.field, reason=e.reason,
                        record=change["record"], is_shared=e.is_shared,
                    )
                )  # fmt: skip
            except KeyedByData as e:
                keyed_by = e.field
                break
            else:
                ours = {column: change[source] for column, source in self._ours}
                rows.append(self._warehouse.storable({**fitted, **ours}))
        else:
            return rows
        # Raised outside the handler, so that no exception with a record is chained to it.
        raise ConfigError(
            f"The field `{keyed_by}` of `{self._resource.name}` is an object keyed by data: each entry "
            "brings keys, and so columns, of its own. Nothing was published. Set `max_table_nesting` "
            "in the form, so that deeper objects are kept as JSON, or change the field with a `map` in "
            "`processing_steps`."
        )

    def _learn(self, records: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        """Lets `Staged` learn from some rows, unless each row's width must be checked."""
        if self.fitting.is_wide(self._table):
            return
        schema, resource = _schema_of(self._warehouse, self._learnt), self._resource_of(iter([rows]))
        self._staged.learn(
            self._warehouse.pipeline,
            DltSource(schema, self._resource.name, [resource]),
            records=records,
            table=self._table,
            key=self._key,
            file_format=self._warehouse.file_format,
        )


def _resource_of(
    rows: Iterator[Any], resource: Resource, content: SyncContent, warehouse: Warehouse
) -> "DltResource":
    # dlt's schema keeps a contract. `evolve` lifts one that the form no longer names.
    hints = {"schema_contract": "evolve", **resource.hints}
    schema = _schema_of(warehouse)
    ours: Hints = dict(key_hints(schema, resource, content.sync_values.get("id_type")))
    ours |= columns.hints(columns.of_table(is_composite=resource.key.is_composite))
    table: DltResource = dlt.resource(
        rows,
        name=resource.name,
        primary_key=key_columns(schema, resource),
        write_disposition={"disposition": "merge", "strategy": warehouse.merge_strategy},
        columns=hints.pop("columns", None),
        **hints,
    )
    table.apply_hints(columns=ours, additional_table_hints=DEDUPLICATED)
    return table


def _schema_of(warehouse: Warehouse, told: Told | None = None) -> "Schema":
    """Returns a copy of dlt's schema of the warehouse, with the declared columns."""
    schema: Schema = warehouse.schema.clone()
    _tell(schema, told or Told())
    return schema


def _tell(schema: "Schema", told: Told) -> None:
    def add(table: str, new: list[Any]) -> None:
        parent = told.parents.get(table)
        if parent is None:
            schema.update_table({"name": table, "columns": {one["name"]: one for one in new}})
            return
        if parent not in schema.tables:
            add(parent, [])
        schema.update_table(utils.new_table(table, parent_table_name=parent, columns=new))

    for table, column in told.told_columns():
        add(table, [column])


def _room_of(resource: Resource, warehouse: Warehouse) -> Room:
    contract = resource.hints.get("schema_contract")
    mode = contract.get("data_type") if isinstance(contract, Mapping) else contract
    return warehouse.room(adds_variants=mode != "freeze")
