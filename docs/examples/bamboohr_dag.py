"""### BambooHR: employees and the company directory

Reads a company's employees with an API key. Put this file into the Dags folder and add a connection
`bamboohr_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://example.bamboohr.com/api/v1",
  "login": "<the API key>",
  "password": "x"
}
```

`employees` is the list of October 2025. It has all statuses; an entry that it lacks is asked for by its id: a
404 removes it. `directory` shows active employees only, in one answer; an entry that it lacks for two nights
in a row is removed.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def bamboohr() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `bamboohr_api` holds the key."""
    return {
        "client": {
            "auth": {
                "type": "http_basic",
                "username": dlt.secrets["username"],
                "password": dlt.secrets["password"],
            },
            "headers": {"Accept": "application/json"},
        },
        "resources": [
            {
                "name": "employees",
                "primary_key": "employeeId",
                "endpoint": {
                    "path": "employees",
                    "data_selector": "data",
                    "params": {"page[limit]": 2500, "sort": "employeeId"},
                    "paginator": {
                        "type": "cursor",
                        "cursor_path": "meta.page.nextCursor",
                        "cursor_param": "page[after]",
                    },
                },
                "detail_path": "/employees/{id}",
            },
            {
                "name": "directory",
                "endpoint": {
                    "path": "employees/directory",
                    "data_selector": "employees",
                    "paginator": "single_page",
                },
                "removals": "confirmed",
            },
        ],
    }


dag: DAG = directory_dag(
    "bamboohr_sync",
    Directory(connection="bamboohr_api", form=bamboohr, settings={"dataset": "bamboohr"}),
    doc_md=__doc__,
)
