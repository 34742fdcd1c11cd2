"""A deployment whose warehouse is only mapped: what all mapped ones share, over a DuckDB file."""

from dataclasses import dataclass
from typing import Any

import dlt

from directory_sync.config.connections import ConnectionFields
from directory_sync.warehouse.destinations import MappedWarehouse, register
from tests.integration.cycle import Cycle


@register
class MappedDuckDB(MappedWarehouse):
    """Loaded as BigQuery is: by JSON lines, by merging, under a lock file, without transactions."""

    conn_type = "mapped"
    client_module, extra_of_dlt = "duckdb", "duckdb"
    file_format = "jsonl"
    merge_strategy = "upsert"
    is_transactional = False

    def destination(self) -> Any:
        return dlt.destinations.duckdb(self.field("host"))


@dataclass
class MappedCycle(Cycle):
    """Publishes into it."""

    @property
    def connection(self) -> ConnectionFields:
        file = str(self.home / "warehouse.duckdb")
        return ConnectionFields(conn_id="directory_warehouse", conn_type="mapped", host=file)
