"""Rows are read in batches while further statements run on the same warehouse."""

import dlt
import duckdb

from directory_sync.warehouse.destinations import DuckDBFile


def test_a_statement_between_two_batches_cuts_off_no_rows(tmp_path):
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("CREATE SCHEMA directory")
        connection.execute("CREATE TABLE directory.things AS SELECT * FROM range(10_000) AS t(id)")
        destination = dlt.destinations.duckdb(connection)
        pipeline = dlt.pipeline(
            "open_results", str(tmp_path), destination=destination, dataset_name="directory"
        )
        with pipeline.sql_client() as client:
            found = 0
            for batch in DuckDBFile.batches(None, client, "SELECT id FROM things", (), 3_000):
                client.execute_sql("SELECT count(*) FROM things")
                found += batch.num_rows
            assert found == 10_000
