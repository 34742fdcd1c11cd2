"""The table's rows, made of change rows alone: by dlt's normaliser, or most of a large load past it."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from directory_sync.columnar import Columnar, Staged
from directory_sync.envelope import parse_record
from directory_sync.errors import ConfigError
from directory_sync.fields import field_name
from directory_sync.form import OUR_COLUMNS, Resource
from directory_sync.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource

DEDUPLICATED: dict[str, Any] = {"x-stage-data-deduplicated": True}
"""Tells dlt that a package holds a key once: the audit saw to it, and a window over all rows is dear."""

Hints = dict[str, "TColumnSchema"]
_OUR_SOURCES = tuple((column, column.removeprefix("_")) for column in OUR_COLUMNS)
"""Our columns of the table, and the column of the change rows that each is taken from."""
_INSIDE, _LISTED = "\x00", "\x01"
"""Joins the keys of a path; marks a key whose value is a list."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The change rows of one sync, readable more than once, and the row that concludes it.

    Attributes:
        sample_rows: so many rows of a difference twice as large show what all of them are like.
    """

    rows: "Callable[[], Iterable[pa.Table]]"
    sync_values: Mapping[str, Any]
    sample_rows: int = 1_000


def table_resource(
    resource: Resource, difference: Difference, *, warehouse: Warehouse, staged: Staged
) -> "DltResource":
    """Returns the rows of the table for dlt; those that go past its normaliser are staged meanwhile.

    Args:
        resource: whose table.
        difference: of one change row at least.
        warehouse: open.
        staged: is to join the package when dlt has normalised it.
    """
    columnar = _learn_columns(resource, difference, warehouse)
    rows = _table_rows(resource, difference, warehouse, columnar, staged)
    return _resource_of(rows, resource, difference, warehouse)


def _resource_of(
    rows: Iterator[Any], resource: Resource, difference: Difference, warehouse: Warehouse
) -> "DltResource":
    # The schema in the warehouse remembers a contract: one that the form no longer names is lifted.
    hints = {"schema_contract": "evolve", **resource.hints}
    has_integers = difference.sync_values.get("id_type") == "BIGINT"
    columns: Hints = {
        "id": {"data_type": "bigint" if has_integers else "text", "nullable": False},
        "_row_hash": {"data_type": "text", "nullable": False},
    }
    columns |= {name: {"data_type": "timestamp", "nullable": True} for name in OUR_COLUMNS[1:]}
    table: DltResource = dlt.resource(
        rows,
        name=resource.name,
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": warehouse.merge_strategy},
        columns=hints.pop("columns", None),
        **hints,
    )
    table.apply_hints(columns=columns, additional_table_hints=DEDUPLICATED)
    return table


def _table_rows(
    resource: Resource,
    difference: Difference,
    warehouse: Warehouse,
    columnar: Columnar | None,
    staged: Staged,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of the table that dlt has to normalise; stages the others."""
    name_of = warehouse.pipeline.default_schema.naming.normalize_identifier
    checked: set[tuple[str, ...]] = set()

    def checked_rows(changes: "pa.Table") -> list[dict[str, Any]]:
        rows = [_table_row(resource, change) for change in changes.to_pylist()]
        for row in rows:
            _check_names(row, checked, name_of, resource)
        return [warehouse.storable(row) for row in rows]

    batches = iter(difference.rows())
    if columnar:
        # With these dlt's schema learns in this load what the trial has learnt.
        first = next(batches)
        yield checked_rows(first.slice(0, difference.sample_rows))
        batches = itertools.chain([first.slice(difference.sample_rows)], batches)
    for batch in batches:
        for piece in columnar.pieces(batch, _OUR_SOURCES) if columnar else (batch,):
            if isinstance(piece, list):
                staged.add(piece)
            else:
                # dlt handles a list at the price of a row.
                yield checked_rows(piece)


def _learn_columns(resource: Resource, difference: Difference, warehouse: Warehouse) -> Columnar | None:
    """Lets dlt normalise the first rows of a large difference in a trial, and learns from its schema.

    None where all rows go to dlt: there are few, a step works on them in Python, or the warehouse merges by
    dlt's ids, which dlt makes of the rows.
    """
    first = next(iter(difference.rows()))
    if (
        first.num_rows < 2 * difference.sample_rows
        or resource.steps
        or warehouse.merge_strategy != "delete-insert"
    ):
        return None
    sample = first.slice(0, difference.sample_rows).to_pylist()
    rows = [warehouse.storable(_table_row(resource, change)) for change in sample]
    pipeline = warehouse.pipeline
    trial = dlt.pipeline(
        pipeline.pipeline_name,
        destination=pipeline.destination,
        dataset_name=pipeline.dataset_name,
        pipelines_dir=f"{pipeline.pipelines_dir}/trial",
    )
    known: dict[str, Any] = (
        {"schema": pipeline.default_schema.clone()} if pipeline.default_schema_name else {}
    )
    try:
        trial.extract(
            _resource_of(iter([rows]), resource, difference, warehouse),
            loader_file_format=warehouse.file_format,
            **known,
        )
        trial.normalize()
    except PipelineStepFailed:
        # The package itself will fail too, if not first by a name, which the trial does not check.
        return None
    finally:
        # dlt's last pipeline is its current one.
        pipeline.activate()
    records = (parse_record(change["record"]) for change in sample)
    return Columnar.learn(trial.default_schema, resource.name, records)


def _table_row(resource: Resource, change: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table: the entry's record, through the form's steps, and our columns."""
    row: Any = parse_record(change["record"])
    for number, step in enumerate(resource.steps, start=1):
        row = _run_step(step, row, number=number, resource=resource)
    if not isinstance(row, dict) or row.get("id") != change["id"]:
        raise ConfigError(
            f"A step of `processing_steps` of `{resource.name}` returned no mapping, or another "
            "`id`. Nothing was published. Correct plugins/directory_sync/resources.py."
        )
    ours = {column: change[source] for column, source in _OUR_SOURCES}
    if taken := ours.keys() & row.keys():
        raise ConfigError(
            f"The field `{min(taken)}` of `{resource.name}` has the name of a column we add. Nothing was "
            "published. Rename it by a `map` in `processing_steps`."
        )
    return {**row, **ours}


def _run_step(step: Callable[[Any], Any], row: Any, *, number: int, resource: Resource) -> Any:
    failed_with = ""
    try:
        return step(row)
    except Exception as e:  # noqa: BLE001  it is the user's function; what it quotes must not get out
        failed_with = type(e).__name__
    raise ConfigError(
        f"Step {number} of `processing_steps` of `{resource.name}` failed with {failed_with}. Nothing was "
        "published. Correct plugins/directory_sync/resources.py."
    )


def _check_names(
    row: Mapping[str, Any],
    checked: set[tuple[str, ...]],
    name_of: Callable[[str], str],
    resource: Resource,
) -> None:
    """Refuses fields that would share a column with another, with one of ours or of dlt's."""
    paths = tuple(dict.fromkeys(_column_paths(row)))
    if paths in checked:
        return
    owners: dict[str, str] = dict.fromkeys(("_dlt_id", "_dlt_load_id"), "a column of dlt's")
    for path in paths:
        keys = path.split(_INSIDE)
        column = "__".join(
            name_of(key.removesuffix(_LISTED)) + _LISTED * key.endswith(_LISTED) for key in keys
        )
        field = _shown(keys)
        if column in owners:
            shown = f"the column `{column.replace(_LISTED, '')}`" if "*" not in field else "a column"
            raise ConfigError(
                f"The field `{field}` of `{resource.name}` and {owners[column]} would share {shown}. Nothing "
                "was published. Rename it by a `map` in `processing_steps`."
            )
        owners[column] = f"the field `{field}`"
    checked.add(paths)


def _shown(keys: Sequence[str]) -> str:
    """A path as a message shows it: keys that are data stand as `*`."""
    names = (field_name("", key.removesuffix(_LISTED)) + "[]" * key.endswith(_LISTED) for key in keys)
    return ".".join(names)


def _column_paths(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of the columns a row fills; entries of nested lists, marked so, fill those of a child table."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _column_paths(value, f"{prefix}{key}{_INSIDE}")
        else:
            yield f"{prefix}{key}"
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from _column_paths(item, f"{prefix}{key}{_LISTED}{_INSIDE}")
