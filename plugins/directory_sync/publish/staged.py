"""What only a large load needs, such as the first: most of its rows go past dlt's normaliser.

A package is a transaction; dlt makes it of what it has extracted, and has no entrance for rows of child
tables. So staged rows join it between the normaliser and the load, written by the writer that dlt would take.

This module is the one entrance to `columnar` and `shapes`. Whoever removes the three removes these calls:

    load.py     `load` makes a `Staged` and joins its rows to the package; `_checked` clears it
    rows.py     `check_rows` clears it; `_Pass.check` learns from the first rows and takes the batches
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from directory_sync.config.memory import batch_rows
from directory_sync.publish.columnar import Columnar, Rows

if TYPE_CHECKING:
    import dlt
    import pyarrow as pa
    from dlt.common.destination import TLoaderFileFormat
    from dlt.extract import DltSource

_BATCH_ROWS = 5_000


class Staged:
    """Rows on their way past dlt's normaliser: Parquet files until the package is there they belong to.

    Args:
        folder: for the files; it goes with the task.
    """

    def __init__(self, folder: Path) -> None:
        """Creates the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._columnar: Columnar | None = None

    def clear(self) -> None:
        """Forgets all rows, and what was learnt."""
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
        file_format: "TLoaderFileFormat",
    ) -> None:
        """Lets dlt normalise the first rows of a large load in a trial, and learns from its schema.

        Nothing is learnt where some field is left to dlt's decision for each value, or the trial fails: the
        package itself will fail too.

        Args:
            pipeline: the warehouse's.
            source: the first rows, as dlt is to load them.
            records: the same entries, as the API gave them.
            table: of the resource.
            file_format: what dlt writes for the warehouse.
        """
        import dlt
        from dlt.pipeline.exceptions import PipelineStepFailed

        trial = dlt.pipeline(
            pipeline.pipeline_name,
            destination=pipeline.destination,
            dataset_name=pipeline.dataset_name,
            pipelines_dir=f"{pipeline.pipelines_dir}/trial",
        )
        try:
            trial.extract(source, loader_file_format=file_format)
            trial.normalize()
        except PipelineStepFailed:
            return
        finally:
            # dlt's last pipeline is its current one.
            pipeline.activate()
        self._columnar = Columnar.learn(trial.default_schema, table, records)

    def take(self, batch: "pa.Table", ours: Sequence[tuple[str, str]]) -> "Iterator[pa.Table]":
        """Keeps the rows of a batch that fit; yields the others, which dlt is to normalise.

        Args:
            batch: of change rows.
            ours: columns of ours and where their values are: (column, column of the change rows).
        """
        for piece in self._columnar.pieces(batch, ours) if self._columnar else (batch,):
            if isinstance(piece, list):
                self.add(piece)
            else:
                yield piece

    def add(self, rows: Iterable[Rows]) -> None:
        """Keeps rows, of the table first and then of its child tables."""
        import pyarrow.parquet as pq

        for one in rows:
            if one.table not in self._writers:
                path = self._folder / f"{len(self._writers)}.parquet"
                self._writers[one.table] = pq.ParquetWriter(path, one.rows.schema, compression="none")
            self._writers[one.table].write_table(one.rows)

    def join(self, pipeline: "dlt.Pipeline", file_format: "TLoaderFileFormat") -> Counter[str]:
        """Adds them to the package that the pipeline has normalised last; returns how many to each table."""
        import pyarrow.parquet as pq
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
                file = pq.ParquetFile(self._folder / f"{number}.parquet")
                for batch in file.iter_batches(batch_rows(file, at_most=_BATCH_ROWS)):
                    rows = normalize_py_arrow_item(batch, columns, schema.naming, capabilities)
                    if is_root:
                        rows = add_dlt_load_id_column(rows, columns, capabilities, schema.naming, load_id)
                    items.write_data_item(load_id, schema.name, table, rows, columns)
                    added[table] += rows.num_rows
            items.close_writers(load_id)
        self._writers.clear()
        return added
