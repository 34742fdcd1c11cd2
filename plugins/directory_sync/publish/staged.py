"""Stages most rows of a large load, such as the first, so that they need not pass dlt's normaliser.

A load package is one transaction. dlt builds it from extracted rows and does not accept rows of child tables.
So staged rows are added to the package between the normaliser and the load, by the writer that dlt would use.

Only this module uses `columnar` and `shapes`. To remove the three modules, remove these calls:

    load.py     `load` makes a `Staged` and joins its rows to the package; `_checked` clears it
    rows.py     `check_rows` clears it; `_Pass.check` learns from the first rows and takes the batches
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.config.memory import rows_of_a_batch
from directory_sync.publish.columnar import Columnar, Rows

if TYPE_CHECKING:
    import dlt
    import pyarrow as pa
    from dlt.common.destination import TLoaderFileFormat
    from dlt.extract import DltSource

_BATCH_ROWS = 5_000


class Staged:
    """Rows that do not pass dlt's normaliser, kept in Arrow's own files until their package exists.

    Args:
        folder: the folder for the files; it is deleted with the task's folder.
    """

    def __init__(self, folder: Path) -> None:
        """Creates the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._columnar: Columnar | None = None

    def clear(self) -> None:
        """Drops all rows and what was learnt."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._columnar = None

    def learn(
        self,
        pipeline: "dlt.Pipeline",
        source: "DltSource",
        *,
        records: Iterable[Mapping[str, Any]],
        table: str,
        key: Sequence[str],
        file_format: "TLoaderFileFormat",
    ) -> None:
        """Lets dlt normalise the first rows of a large load in a trial, and learns from its schema.

        Nothing is learnt where dlt must decide about a field value by value, or where the trial fails: then
        the package itself fails too.

        Args:
            pipeline: the pipeline of the warehouse.
            source: the first rows, as dlt loads them.
            records: the same entries, as the API gave them.
            table: the resource's table in dlt's schema.
            key: its columns that hold the key.
            file_format: the format that dlt writes for the warehouse.
        """
        import dlt
        from dlt.pipeline.exceptions import PipelineStepFailed

        trial = dlt.pipeline(
            pipeline.pipeline_name,
            destination=pipeline.destination,
            dataset_name=pipeline.dataset_name,
            pipelines_dir=f"{pipeline.pipelines_dir}/trial/{table}",
        )
        try:
            trial.extract(source, loader_file_format=file_format)
            trial.normalize()
        except PipelineStepFailed:
            return
        finally:
            # The trial became dlt's active pipeline.
            pipeline.activate()
        self._columnar = Columnar.learn(trial.default_schema, table, records, key=key)

    def take(self, batch: "pa.Table", ours: Sequence[tuple[str, str]]) -> "Iterator[pa.Table]":
        """Keeps the rows of a batch that fit; yields the other rows, which dlt must normalise.

        Args:
            batch: change rows.
            ours: our columns and their sources: (column, column of the change rows).
        """
        for piece in self._columnar.pieces(batch, ours) if self._columnar else (batch,):
            if isinstance(piece, list):
                self.add(piece)
            else:
                yield piece

    def add(self, rows: Iterable[Rows]) -> None:
        """Keeps rows of the table and of its child tables."""
        import pyarrow as pa

        for one in rows:
            if one.table not in self._writers:
                # Written and read in a tenth of the time that Parquet takes.
                path = self._path(len(self._writers))
                self._writers[one.table] = pa.ipc.new_stream(path, one.rows.schema)
            at_once = rows_of_a_batch(one.rows.num_rows, size=one.rows.nbytes, at_most=_BATCH_ROWS)
            self._writers[one.table].write_table(one.rows, at_once)

    def join(self, pipeline: "dlt.Pipeline", file_format: "TLoaderFileFormat") -> Counter[str]:
        """Adds the kept rows to the last normalised package.

        Args:
            pipeline: the pipeline of the warehouse.
            file_format: the format that dlt writes for the warehouse.

        Returns:
            How many rows were added, by table.
        """
        from dlt.common.configuration.container import Container
        from dlt.common.data_writers.writers import get_best_writer_spec
        from dlt.common.libs.pyarrow import add_dlt_load_id_column, normalize_py_arrow_item
        from dlt.common.storages.load_storage import LoadItemStorage

        added: Counter[str] = Counter()
        if not self._writers:
            return added
        load_id = max(pipeline.list_normalized_load_packages(), key=float)
        schema, capabilities = pipeline.default_schema, pipeline.destination.capabilities()
        packages = pipeline._get_load_storage().normalized_packages  # noqa: SLF001
        with Container().injectable_context(capabilities):
            items = LoadItemStorage(packages, get_best_writer_spec("arrow", file_format))
            for number, (table, writer) in enumerate(self._writers.items()):
                writer.close()
                columns = schema.get_table_columns(table)
                is_root = not schema.tables[table].get("parent")
                for batch in _batches(self._path(number)):
                    rows = normalize_py_arrow_item(batch, columns, schema.naming, capabilities)
                    if is_root:
                        rows = add_dlt_load_id_column(rows, columns, capabilities, schema.naming, load_id)
                    # The writer of CSV takes the names of the columns from the schema, in its order.
                    rows = rows.select(list(columns))
                    if file_format == "csv":
                        rows = _without_minus_zero(rows)
                    items.write_data_item(load_id, schema.name, table, rows, columns)
                    added[table] += rows.num_rows
            items.close_writers(load_id)
        self._writers.clear()
        return added

    def _path(self, number: int) -> str:
        return str(self._folder / f"{number}.arrow")


def _batches(path: str) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    with pa.OSFile(path, "r") as file, pa.ipc.open_stream(file) as batches:
        yield from batches
    # The package has the rows now: the disk need not hold them twice.
    Path(path).unlink()


def _without_minus_zero(rows: "pa.Table | pa.RecordBatch") -> "pa.Table":
    """Returns -0.0 as 0.0, as PostgreSQL reads it in the INSERT of the rows that dlt normalises."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    for place, column in enumerate(table.schema):
        if pa.types.is_floating(column.type):
            table = table.set_column(place, column, pc.add(table.column(place), 0.0))
    return table
