"""Amazon Redshift as warehouse: the connection's host, schema (the database), login and password."""

from typing import Any

import dlt

from directory_sync.warehouse.destinations import MappedWarehouse, register


@register
class Redshift(MappedWarehouse):
    """Mapped only: no test has reached a Redshift."""

    conn_type = "redshift"
    client_module, extra_of_dlt = "psycopg2", "redshift"
    file_format = "insert_values"

    def destination(self) -> Any:
        """Returns dlt's destination."""
        names = {"host": "host", "schema": "database", "login": "username", "password": "password"}
        fields: dict[str, Any] = {name: self.field(field) for field, name in names.items()}
        return dlt.destinations.redshift({**fields, "query": self.known_extra(("sslmode",))})
