"""### SCIM 2.0: users and groups

Syncs what a service shows by SCIM 2.0 (RFC 7644). A group lists its members itself: they become the table
`groups__members`. Put this file into the Dags folder and add a connection `scim_api`:

```json
{
  "conn_type": "directory_api",
  "host": "https://scim.example.org/v2",
  "password": "<the bearer token>"
}
```

SCIM counts from 1. A service that only has cursors (RFC 9865) needs the paginator
`{"type": "cursor", "cursor_path": "nextCursor", "cursor_param": "cursor", "cursor_value": ""}` and the page
size `count` in `params`; see docs/vendors.md.
"""

from typing import Any

import dlt
from airflow.sdk import DAG

from directory_sync.dag import Directory, directory_dag


def scim() -> dict[str, Any]:
    """Returns what is synced, in the form of dlt's `rest_api` source; `scim_api` holds the token."""
    return {
        "client": {
            "auth": {"type": "bearer", "token": dlt.secrets["token"]},
            "headers": {"Accept": "application/scim+json"},
        },
        "resource_defaults": {
            "primary_key": "id",
            "endpoint": {
                "data_selector": "Resources",
                "paginator": {
                    "type": "offset",
                    "offset": 1,
                    "offset_param": "startIndex",
                    "limit": 100,
                    "limit_param": "count",
                    "total_path": "totalResults",
                },
            },
        },
        "resources": [
            {"name": "users", "endpoint": "Users", "detail_path": "/Users/{id}", "label_field": "userName"},
            {"name": "groups", "endpoint": "Groups", "detail_path": "/Groups/{id}"},
        ],
    }


dag: DAG = directory_dag(
    "scim_sync",
    Directory(connection="scim_api", form=scim, settings={"dataset": "scim"}),
    doc_md=__doc__,
)
